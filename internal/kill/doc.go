// Package kill ends real processes in the middle of a booking, with SIGKILL, on real
// sockets, and audits what they leave. It is tests and nothing else;
// docs/reliability.md says what they show, and with which commands.
package kill
