// Package outside is tests by somebody who had read the documents and shares no code
// with the SDK's own tests: the double of the API, the journal and the simulation here
// are another's. Each test is something that was once wrong, was suspected to be, or is
// among the limits that docs/production.md names. It is tests and nothing else.
package outside
