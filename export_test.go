package closure

import operations "github.com/closurehealth/closure-go/internal/operation"

// An OperationSpec is a line of the operation table, which stays unexported.
type OperationSpec struct {
	Name, Method, Route, Source string
	Directory                   bool
}

// Operations is the operation table.
func Operations() []OperationSpec {
	var specs []OperationSpec
	for _, op := range operations.Table() {
		specs = append(specs, OperationSpec{op.Name, op.Method, op.Route, op.Source, op.Directory})
	}
	return specs
}
