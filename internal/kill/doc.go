// Package kill ends real processes in the middle of a booking, with SIGKILL, and audits what
// they leave behind. They use real sockets. The package holds only tests; docs/reliability.md
// says what they show, and with which commands they run.
package kill
