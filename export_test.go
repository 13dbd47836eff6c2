package closure

// An OperationSpec is a line of the operation table, which stays unexported.
type OperationSpec struct {
	Name, Method, Route, Source string
	Directory                   bool
}

// Operations is the operation table.
func Operations() []OperationSpec {
	specs := make([]OperationSpec, len(operations))
	for i, op := range operations {
		specs[i] = OperationSpec{op.name, op.method, op.route, op.source, op.directory}
	}
	return specs
}
