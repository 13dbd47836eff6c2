package closure

import (
	"context"
	"time"

	operations "github.com/closurehealth/closure-go/internal/operation"
)

// An IndexVersion is a private copy of the base directory data
// ([IndexStandard]): ids stay the same across copies, and a change in one does
// not touch another. To read a copy, name it with [WithIndexVersion].
// (source: reference; the timestamps are inferred)
type IndexVersion struct {
	ID        IndexVersionID `json:"id,omitzero"`
	Name      string         `json:"name,omitzero"`
	CreatedAt time.Time      `json:"created_at,omitzero"`
	UpdatedAt time.Time      `json:"updated_at,omitzero"`
}

func (v IndexVersion) recordID() (id, prefix string) { return string(v.ID), v.ID.prefix() }

// IndexVersionCreateParams names a new index version.
type IndexVersionCreateParams struct {
	Name string `json:"name"`
}

const opIndexVersionsCreate = operation(operations.IndexVersionsCreate)

// IndexVersionsService makes copies of the directory data.
type IndexVersionsService struct{ service }

// Create makes a copy of the base directory data. After an error whose [OutcomeOf] is
// [OutcomeUnknown] there may be a copy whose id nobody knows; calling it again does no
// harm.
//
// POST /index_version (source: reference; body and answer are inferred).
func (s *IndexVersionsService) Create(ctx context.Context, params IndexVersionCreateParams, opts ...CallOption) (*IndexVersion, error) {
	op := opIndexVersionsCreate
	if params.Name == "" {
		return nil, &InputError{Op: op.name(), Field: "Name", Reason: "is empty"}
	}
	return object[IndexVersion](ctx, coreOf((*holder)(s)), request{op: op, body: params}, opts)
}
