package closure

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// What the package's values may show when a program prints them. Every exported struct
// has Format and LogValue beside its declaration, or is on the list in law_test.go of
// structs that hold nothing personal. The methods have value receivers, so that they
// also apply to pointers, slices, maps and exported fields of other structs.
// docs/privacy.md names the ways to print for which Go gives no hook.

// unprintable is printed instead of what may be a person's data.
const unprintable = "(unprintable)"

func printAs(f fmt.State, text string) { _, _ = io.WriteString(f, text) }

// redacted is the printed form of a value that shows no more than its type.
func redacted[T any](T) string { return reflect.TypeFor[T]().String() + "{redacted}" }

// showing is the printed form of a value that shows one id and nothing else.
func showing[T any, ID identifier](_ T, field string, id ID) string {
	return reflect.TypeFor[T]().String() + "{" + field + ": " + strconv.Quote(printableID(id)) + "}"
}

// printableID returns the id if it consists of its prefix and up to 64 letters and digits.
// Otherwise it returns unprintable: a caller who mixes up fields may have put a name there.
func printableID[ID identifier](id ID) string {
	rest, found := strings.CutPrefix(string(id), id.prefix())
	if id != "" && (!found || rest == "" || len(rest) > 64 || strings.ContainsFunc(rest, notAlphanumeric)) {
		return unprintable
	}
	return string(id)
}

func notAlphanumeric(r rune) bool { return kindOf(r) == 0 }

// printableCode returns an error type or code if its words, joined by underscores, are all
// in codeWords. To check the shape alone is not enough: trisha_pandit has it too.
func printableCode[Code ~string](code Code) string {
	if code == "" {
		return ""
	}
	if len(code) > 64 {
		return unprintable
	}
	for word := range strings.SplitSeq(string(code), "_") {
		if word == "" || strings.Contains(word, " ") || !strings.Contains(codeWords, " "+word+" ") {
			return unprintable
		}
	}
	return string(code)
}

// codeWords are the words of which names of errors are made. None of them says anything
// about a person's health.
const codeWords = " accept accepted access account action active address ahead already an and any api appointment" +
	" appointments argument at auth authentication authorization availability available bad base be before birth blank" +
	" blocked body book bookable booked booking bookings busy by call calls can canceled cancellation cancelled cannot" +
	" capacity change changed check client clinic closed closuretest code concurrent conflict connection content could" +
	" create created credential credentials data database date deactivated declined default delete deleted denied" +
	" dependency deprecated detail details different direct disabled do dob does double duplicate duration early ehr" +
	" email empty enabled end entity error errors exceeded exist existing exists expand expected expired external" +
	" failed failure feature field fields first for forbidden format found from full future gateway general has have" +
	" header hour id identifier ids in inactive incomplete incorrect index ineligible input insufficient insurance" +
	" insurances integration internal invalid is json key language last late length limit limited limits list live" +
	" location locations lock locked long maintenance malformed many match matches max maximum member message method" +
	" min minimum mismatch misuse missing mode more multiple must name network new no none not npi null number of" +
	" office offline on only open operation or other out outside overlap overlapping overloaded page parameter" +
	" parameters parse partner past patient patients payload pending permission permissions phone plan policy" +
	" practice practitioner practitioners private processing provider providers query quota range rate read reason" +
	" received record records rejected remote request requests required reschedule rescheduled resource response" +
	" retry route same schedule scheduled schedules scheduling schema secret server service services short size slot" +
	" slots small soon specialty start state status subscriber supported suspended syntax system taken temporarily" +
	" temporary test text than throttled time timeout timezone to token too type unable unacceptable unauthenticated" +
	" unauthorized unavailable unbookable under unexpected unique unknown unprocessable unreachable unrecognized" +
	" unsupported update updated upstream url usage use user validation value values vendor version was window with" +
	" write wrong year zone "

// requestIDShapes are the forms in which servers and gateways make request ids.
var requestIDShapes = func() *regexp.Regexp {
	const (
		uuid = `(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`
		hex  = `(?i:[0-9a-f]{16,64})`
		ulid = `(?i:[0-7][0-9a-hjkmnp-tv-z]{25})`
	)
	return regexp.MustCompile(`^(?:(?:req[_-])?(?:` + uuid + `|` + hex + `|` + ulid + `)` +
		`|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}` + // traceparent of W3C's Trace Context
		`|(?:Root=)?1-[0-9a-f]{8}-[0-9a-f]{24}` + // AWS X-Ray
		`|[0-9a-f]{16}-[A-Z]{3}` + // Cloudflare: the ray and the airport of its data center
		`|` + ulid + `-[a-z]{3}` + // Fly.io: a ULID and the airport of its region
		`)$`)
}()

// requestIDPrefixed matches a request id that begins with "req_" or "req-".
var requestIDPrefixed = regexp.MustCompile(`^req[_-](?:([0-9]{1,4})|([0-9A-Za-z]{14,40}))$`)

// printableRequestID returns the request id if it has an allowed shape, and otherwise
// unprintable. The id must hold letters and digits, so that no phone number and no word
// passes. After "req_" any word would fit, so that there they must be mixed as if drawn at
// random.
func printableRequestID(id string) string {
	if id == "" {
		return ""
	}
	if requestIDShapes.MatchString(id) && mixed(id) {
		return id
	}
	if parts := requestIDPrefixed.FindStringSubmatch(id); parts != nil && (parts[1] != "" || random(parts[2])) {
		return id
	}
	return unprintable
}

// airport matches the code of a data center that Cloudflare and Fly.io append to an id.
var airport = regexp.MustCompile(`-(?:[A-Z]{3}|[a-z]{3})$`)

// mixed reports whether the id itself, without prefix and airport, has letters and
// digits.
func mixed(id string) bool {
	id = airport.ReplaceAllString(strings.TrimPrefix(strings.TrimPrefix(id, "Root="), "req"), "")
	return strings.ContainsAny(id, "0123456789") && strings.ContainsFunc(id, func(r rune) bool {
		return kindOf(r) == lower || kindOf(r) == upper
	})
}

// A kind of character.
const (
	digit = 1 + iota
	lower
	upper
)

func kindOf(r rune) int {
	switch {
	case '0' <= r && r <= '9':
		return digit
	case 'a' <= r && r <= 'z':
		return lower
	case 'A' <= r && r <= 'Z':
		return upper
	default:
		return 0
	}
}

// random reports whether letters and digits look drawn at random: there are digits in at
// least two places, and a third of the neighbours are of different kinds. A name with a
// date or a number behind it has longer runs of one kind.
func random(s string) bool {
	changes, digits, previous := 0, 0, 0
	for _, r := range s {
		kind := kindOf(r)
		if kind != previous {
			changes++
			if kind == digit {
				digits++
			}
		}
		previous = kind
	}
	return digits >= 2 && 3*(changes-1) >= len(s)-1
}
