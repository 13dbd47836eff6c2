// Package adversary tries the SDK against an API that breaks the wire: a fake
// Railway API on real loopback sockets, HTTP/1.1 and HTTP/2 by hand, with and
// without TLS, which cuts, lies and repeats at the byte and the frame and keeps
// a ledger of what it really did. It shares no code with closuretest. It is
// tests and nothing else; docs/reliability.md says what they show.
package adversary
