// Package outside holds tests that were written from the documentation alone. They share no
// code with the SDK's own tests: the double of the API, the journal and the simulation are
// separate. Each test is for something that was once wrong, that was suspected to be wrong, or
// that is one of the limits in docs/production.md. The package holds only tests.
package outside
