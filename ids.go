package closure

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The identifiers of the API's records. They are opaque: the prefix names the kind, and
// the rest means nothing. Each kind has a type of its own, so that a patient's id can't
// be passed where a schedule's is wanted. An id that is empty, lacks its prefix, is
// longer than 255 bytes or holds a control character is refused with an [InputError]
// before anything is sent.
type (
	PatientID         string // pt_… (source: guide)
	PractitionerID    string // prac_… (source: guide)
	ScheduleID        string // sch_… (source: guide)
	AppointmentID     string // appt_… (source: reference)
	InsuranceID       string // ins_… (source: guide)
	LocationID        string // loc_… (source: reference)
	SpecialtyID       string // sp_… (source: guide)
	AppointmentTypeID string // aptp_… (source: reference)
	IndexVersionID    string // idx_… (source: reference)
)

// IndexStandard is the base directory data that every index version is a copy
// of (source: reference).
const IndexStandard IndexVersionID = "idx_standard"

const maxIDLength = 255

type identifier interface {
	~string
	prefix() string
}

func (PatientID) prefix() string         { return "pt_" }
func (PractitionerID) prefix() string    { return "prac_" }
func (ScheduleID) prefix() string        { return "sch_" }
func (AppointmentID) prefix() string     { return "appt_" }
func (InsuranceID) prefix() string       { return "ins_" }
func (LocationID) prefix() string        { return "loc_" }
func (SpecialtyID) prefix() string       { return "sp_" }
func (AppointmentTypeID) prefix() string { return "aptp_" }
func (IndexVersionID) prefix() string    { return "idx_" }

// A record is what an answer of the API holds: one, or many in a list. The methods that
// make calls take no other type.
type record interface {
	// recordID returns the record's id, and what the ids of its kind start with. A slot
	// has no id: for it, any text says that it has a start. A value without an id isn't
	// a record.
	recordID() (id, prefix string)
}

// idOf returns the record's id, or "" if it has none or the id is of another kind.
func idOf[T record](r *T) string {
	id, prefix := (*r).recordID()
	if !strings.HasPrefix(id, prefix) {
		return ""
	}
	return id
}

// idProblem says what is wrong with id, or returns "". It never repeats the id: a caller
// who mixes up fields may have put a name there.
func idProblem[ID identifier](id ID) string {
	switch rest, found := strings.CutPrefix(string(id), id.prefix()); {
	case id == "":
		return "is empty"
	case !found || rest == "":
		return "is not an id that starts with " + id.prefix()
	case len(id) > maxIDLength:
		return "is longer than 255 bytes"
	case strings.ContainsFunc(rest, unicode.IsControl): // most often the end of a line
		return "holds a control character"
	case !utf8.ValidString(rest):
		return "is not valid UTF-8"
	default:
		return ""
	}
}

func checkID[ID identifier](by caller, field string, id ID) error {
	if problem := idProblem(id); problem != "" {
		return &InputError{Op: by.name(), Field: field, Reason: problem}
	}
	return nil
}

// checkOptionalID accepts an empty id: the caller does not filter by it.
func checkOptionalID[ID identifier](by caller, field string, id ID) error {
	if id == "" {
		return nil
	}
	return checkID(by, field, id)
}
