// Package adversary tests the SDK against an API that breaks the protocols: a fake Railway API
// on real loopback sockets. It speaks HTTP/1.1 and HTTP/2 without a library, with and without
// TLS. It cuts connections at any byte or frame, lies, and repeats itself, and it keeps a
// ledger of what it really did. It shares no code with closuretest. The package holds only
// tests; docs/reliability.md says what they show.
package adversary
