// Package peers measures closure-go beside other clients, in a blip and in an outage, and its
// retry budget beside those of others. It is a module of its own, so that the SDK does not
// depend on them.
//
//	go -C internal/peers test -v .
//
// prints the tables of docs/retries.md. Time is virtual, and the network a
// RoundTripper: what happens on real sockets, TestBlip of internal/transport shows.
package peers
