// Package simulation holds the evidence for what the SDK claims about bookings: never two
// appointments for one order, and never a lie about the outcome. The package holds only tests;
// docs/reliability.md says what they show, and with which commands they run.
package simulation
