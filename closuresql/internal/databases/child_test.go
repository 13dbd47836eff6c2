package databases

// child runs this process as what a test started it for, and reports whether it
// did.
func child() bool { return false }
