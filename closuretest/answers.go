package closuretest

import (
	"net/http"

	"github.com/closurehealth/closure-go"
)

// An answer is the reply to a request: a status, and a value that is written as JSON.
type answer struct {
	status int
	header http.Header // in addition to what every answer has; may be nil
	body   any
}

// errorBody is the API's error object. It has no error_code: we don't have the published
// list, and a made-up code would mislead. The one exception tells a test that it misuses
// the server.
type errorBody struct {
	Type    closure.ErrorType `json:"error_type"`
	Message string            `json:"error_message"`
	Code    closure.ErrorCode `json:"error_code,omitzero"`
	Detail  []string          `json:"detail,omitzero"`
}

const misuseCode closure.ErrorCode = "closuretest_misuse"

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func refuse(status int, message string, detail ...string) answer {
	blame := closure.ErrorTypeInvalidRequest
	if status >= http.StatusInternalServerError {
		blame = closure.ErrorTypeServer
	}
	return answer{status: status, body: errorBody{Type: blame, Message: message, Detail: detail}}
}

func invalid(detail ...string) answer {
	return refuse(http.StatusBadRequest, "The request is malformed.", detail...)
}

func notFound(what string) answer {
	return refuse(http.StatusNotFound, "There is no such "+what+".")
}

func conflict(message string) answer { return refuse(http.StatusConflict, message) }

func misuse(problem string) answer {
	return answer{status: http.StatusBadRequest, body: errorBody{
		Type:    closure.ErrorTypeInvalidRequest,
		Message: problem,
		Code:    misuseCode,
	}}
}

// objects answers with the records that fit, never with null.
func objects[T any](records []T, fits func(T) bool) answer {
	found := []T{}
	for _, record := range records {
		if fits(record) {
			found = append(found, record)
		}
	}
	return ok(found)
}

// allObjects answers with a copy of the records: the slice may change later.
func allObjects[T any](records []T) answer { return ok(append([]T{}, records...)) }

func object[ID comparable, T any](t *table[ID, T], id ID, what string) answer {
	record, found := t.get(id)
	if !found {
		return notFound(what)
	}
	return ok(record)
}
