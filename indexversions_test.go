package closure_test

import (
	"context"
	"testing"

	"github.com/closurehealth/closure-go"
)

const indexVersionJSON = `{"id":"idx_mine","name":"Trisha Pandit","created_at":"2022-04-01T00:00:00.000Z","updated_at":"2022-04-02T00:00:00.000Z"}`

var indexVersion = closure.IndexVersion{ID: "idx_mine", Name: "Trisha Pandit", CreatedAt: created, UpdatedAt: updated}

var indexVersionCalls = []apiCall{{
	op: "index_versions.create",
	call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
		return c.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: in.name}, opts...)
	},
	url:    "/index_version",
	body:   `{"name":"Trisha Pandit"}`,
	answer: indexVersionJSON,
	want:   &indexVersion,
}}

func TestIndexVersions(t *testing.T) {
	t.Parallel()
	testCalls(t, indexVersionCalls)
	testBadInputs(t, []badInput{{
		"no name",
		func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{}, opts...)
		},
		"index_versions.create", "Name",
	}})
}
