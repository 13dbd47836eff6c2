package closure

import (
	"net/http"

	operations "github.com/closurehealth/closure-go/internal/operation"
)

// An operation is one call of the API: an index into the table of package
// internal/operation. Each resource's file names its own, above its service.
type operation operations.ID

func (op operation) spec() operations.Spec { return operations.ID(op).Spec() }
func (op operation) name() string          { return op.spec().Name }

// An endpoint is a call as a client makes it, with the table's route or the caller's.
type endpoint struct {
	name      string
	method    string
	route     route
	directory bool
	expand    bool
}

// writes reports whether the call changes something. A call that does must not be sent
// again if it may have been carried out.
func (e *endpoint) writes() bool { return e.method != http.MethodGet }

// newEndpoints returns the table's endpoints, some of them replaced by WithRoute.
func newEndpoints(replaced map[operation]endpoint) []endpoint {
	table := operations.Table()
	endpoints := make([]endpoint, len(table))
	for i, spec := range table {
		if own, ok := replaced[operation(i)]; ok {
			endpoints[i] = own
			continue
		}
		endpoints[i] = newEndpoint(spec)
	}
	return endpoints
}

func newEndpoint(spec operations.Spec) endpoint {
	template, _ := parseRoute(spec.Route) // a test parses all of the table
	return endpoint{spec.Name, spec.Method, template, spec.Directory, spec.Expand}
}

func (c *core) endpoint(op operation) *endpoint { return &c.endpoints[op] }

func operationNamed(name string) (op operation, found bool) {
	for i, spec := range operations.Table() {
		if spec.Name == name {
			return operation(i), true
		}
	}
	return 0, false
}
