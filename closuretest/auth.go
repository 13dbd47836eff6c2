package closuretest

import (
	"net/http"
	"strings"
)

// authorize refuses a request without a valid test key: 401.
func authorize(r *http.Request) (refusal answer, no bool) {
	if user, password, found := r.BasicAuth(); found && testKey(user) && password == "" {
		return answer{}, false
	}
	refusal = refuse(http.StatusUnauthorized, "There is no valid secret key: it is the user name of HTTP Basic authentication, with an empty password.")
	refusal.header = http.Header{"Www-Authenticate": {`Basic realm="closure"`}}
	return refusal, true
}

// liveRefused is the answer to a request with a live key.
func liveRefused() answer {
	return refuse(http.StatusForbidden, "This is a test double: it takes no live keys, and has not kept yours.")
}

// showsLiveKey reports whether the Authorization header holds a live key, in
// whatever form.
func showsLiveKey(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	if strings.HasPrefix(user, livePrefix) || strings.Contains(password, livePrefix) {
		return true
	}
	for _, value := range r.Header["Authorization"] {
		if strings.Contains(value, livePrefix) {
			return true
		}
	}
	return false
}

func testKey(key string) bool {
	return strings.HasPrefix(key, "ch_sk_test") && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}
