// Package peers measures closure-go beside other clients, in a blip and in an outage, and its
// retry budget beside those of others. It is a module of its own, so that the SDK does not
// depend on them.
//
//	go -C internal/peers test -v
//	CLOSURE_PICTURES=$PWD/docs go -C internal/peers test -run TestPicture
//
// The first prints the tables of docs/retries.md, and the second draws its picture. On a
// terminal both show how far they are: go test passes a terminal on only if no package is
// named. Time is virtual, and the network is a RoundTripper. TestBlip of internal/transport
// shows what happens on real sockets.
package peers
