package closure_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const indexVersionJSON = `{"id":"idx_mine","name":"Trisha Pandit","created_at":"2022-04-01T00:00:00.000Z",` +
	`"updated_at":"2022-04-02T00:00:00.000Z"}`

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

func ExampleIndexVersionsService_Create() {
	client := closuretest.New().Client()
	ctx := context.Background()

	index, err := client.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: "staging"})
	if err != nil {
		log.Fatal(err)
	}
	practitioner, err := client.Practitioners.Get(ctx, "prac_j3uc7oA7FYMtXhGZi2rbt9", closure.WithIndexVersion(index.ID))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(index.Name, practitioner.LastName)
	// Output: staging Sanon
}
