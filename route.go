package closure

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// A route is a template such as "/schedules/{id}/slots". Texts show it, so it holds
// nothing but names: each segment is a word or a parameter in braces.
type route struct {
	text     string
	literals []string // one more than there are parameters
	names    []string // of the parameters
}

var errRoute = errors.New("closure: not a route")

func parseRoute(text string) (route, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return route{}, errRoute
	}
	r := route{text: text}
	literal := ""
	for segment := range strings.SplitSeq(rest, "/") {
		name, isParameter := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		switch {
		case isParameter != closed, !isParameter && !isRouteWord(segment), isParameter && !isName(name), slices.Contains(r.names, name):
			return route{}, errRoute
		case isParameter:
			r.literals, literal = append(r.literals, literal+"/"), ""
			r.names = append(r.names, name)
		default:
			literal += "/" + segment
		}
	}
	r.literals = append(r.literals, literal)
	return r, nil
}

// isRouteWord accepts names such as "index_version" and versions such as "v2". It refuses
// what may be a record's id or a key, because every text would show it.
func isRouteWord(s string) bool {
	if version, ok := strings.CutPrefix(s, "v"); ok && version != "" && strings.Trim(version, "0123456789") == "" {
		return len(version) <= 2
	}
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_-") == "" && !beginsAsID(s)
}

func beginsAsID(s string) bool {
	return slices.ContainsFunc(secretPrefixes, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
}

// secretPrefixes are the prefixes of ids and keys.
var secretPrefixes = []string{
	PatientID.prefix(""), PractitionerID.prefix(""), ScheduleID.prefix(""), AppointmentID.prefix(""),
	InsuranceID.prefix(""), LocationID.prefix(""), SpecialtyID.prefix(""), AppointmentTypeID.prefix(""),
	IndexVersionID.prefix(""), "ch_",
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// appendTo appends the route to a path, with the parameters' values in their order.
func (r route) appendTo(u *url.URL, values ...string) {
	if u.RawPath != "" || slices.ContainsFunc(values, func(s string) bool { return url.PathEscape(s) != s }) {
		u.RawPath = r.join(u.EscapedPath(), values, url.PathEscape)
	}
	u.Path = r.join(u.Path, values, func(s string) string { return s })
}

func (r route) join(base string, values []string, escape func(string) string) string {
	var b strings.Builder
	size := len(base) + len(r.text)
	for _, value := range values {
		size += len(value)
	}
	b.Grow(size)
	b.WriteString(base)
	for i, literal := range r.literals {
		b.WriteString(literal)
		if i < len(values) {
			b.WriteString(escape(values[i]))
		}
	}
	return b.String()
}
