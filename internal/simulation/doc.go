// Package simulation holds the evidence for what the SDK claims of bookings:
// never two appointments for one wish, and never a lie about what became of it.
// It is tests and nothing else; docs/reliability.md says what they show, and
// with which commands.
package simulation
