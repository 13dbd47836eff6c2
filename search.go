package closure

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/closurehealth/closure-go/internal/transport"
)

// A SlotSearch says which open slots to look for, on which schedules.
type SlotSearch struct {
	Schedules   []ScheduleID   // at least one; a repeated one counts once
	From, To    time.Time      // slots that start at From or later, and before To
	Zone        *time.Location // the zone of the three filters below; default UTC
	Weekdays    []time.Weekday // local day on which a slot starts; none: any day
	NotBefore   *ClockTime     // earliest local time of day at which a slot starts
	NotAfter    *ClockTime     // the latest, itself included; if it is before NotBefore, the range goes over midnight
	MinDuration Minutes

	// InsuranceID leaves out schedules that don't accept it, and those that list no
	// insurance at all, because [Client.BookSlot] would refuse them too. Each schedule is
	// read once for this. If all of them are left out, the error is ErrNoSlot, joined with
	// an InsuranceError.
	InsuranceID InsuranceID

	// Known are schedules that you have read already: they aren't read again.
	Known []Schedule

	Window      time.Duration // how much of the range one request asks for, default 7 days, at least a minute
	Concurrency int           // how many schedules are asked at once, default 8

	// MaxRequests bounds the number of requests: schedules, times windows between From
	// and To. For a search that would need more, the error is an InputError. Default
	// 5,000.
	MaxRequests int
}

const (
	defaultWindow      = 7 * 24 * time.Hour
	minWindow          = time.Minute // refuses Window: 7, which is 7 ns: the caller meant days
	defaultConcurrency = 8
	defaultMaxRequests = 5_000
)

// normalized returns a copy with the defaults filled in. It shares no memory with the
// caller's search.
func (s SlotSearch) normalized() SlotSearch {
	s.Zone = cmp.Or(s.Zone, time.UTC)
	s.Window = cmp.Or(s.Window, defaultWindow)
	s.Concurrency = cmp.Or(s.Concurrency, defaultConcurrency)
	s.NotBefore, s.NotAfter = clone(s.NotBefore), clone(s.NotAfter)
	s.Weekdays = slices.Clone(s.Weekdays)
	known := make([]Schedule, len(s.Known))
	for i := range s.Known {
		known[i] = *s.Known[i].deepCopy()
	}
	s.Known = known
	ids := make([]ScheduleID, 0, len(s.Schedules))
	seen := make(map[ScheduleID]bool, len(s.Schedules))
	for _, id := range s.Schedules {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	s.Schedules = ids
	return s
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// check names the fields with the path that leads to them from the caller's argument.
func (s SlotSearch) check(by caller, path string) error {
	invalid := func(field, reason string) error {
		return &InputError{Op: by.name(), Field: path + field, Reason: reason}
	}
	for i, id := range s.Schedules {
		if problem := idProblem(id); problem != "" {
			return invalid("Schedules["+strconv.Itoa(i)+"]", problem)
		}
	}
	for i, day := range s.Weekdays {
		if day < time.Sunday || day > time.Saturday {
			return invalid("Weekdays["+strconv.Itoa(i)+"]", "is not a day of the week")
		}
	}
	switch {
	case len(s.Schedules) == 0:
		return invalid("Schedules", "is empty")
	case s.From.IsZero():
		return invalid("From", "is zero: a search needs both ends")
	case s.To.IsZero():
		return invalid("To", "is zero: a search needs both ends")
	case s.To.Before(s.From):
		return invalid("To", "is before From")
	case s.NotBefore != nil && !s.NotBefore.valid():
		return invalid("NotBefore", "is not a time of day")
	case s.NotAfter != nil && !s.NotAfter.valid():
		return invalid("NotAfter", "is not a time of day")
	case s.Window != 0 && s.Window < minWindow:
		return invalid("Window", "is below a minute")
	case s.Concurrency < 0:
		return invalid("Concurrency", "is negative")
	case s.MaxRequests < 0:
		return invalid("MaxRequests", "is negative")
	}
	if err := cmp.Or(
		checkYear(by, path+"From", s.From),
		checkYear(by, path+"To", s.To),
		checkDuration(by, path+"MinDuration", s.MinDuration),
		checkOptionalID(by, path+"InsuranceID", s.InsuranceID),
	); err != nil {
		return err
	}
	if s.requests() > float64(cmp.Or(s.MaxRequests, defaultMaxRequests)) {
		return invalid("To", "is so far from From that the search takes more than MaxRequests requests")
	}
	return nil
}

// requests returns how many requests the search makes at most, besides reads of schedules.
func (s SlotSearch) requests() float64 {
	window := cmp.Or(s.Window, defaultWindow).Seconds()
	// A time.Duration holds 292 years.
	length := float64(s.To.Unix() - s.From.Unix())
	return math.Ceil(length/window) * float64(len(s.Schedules))
}

// wants reports whether a slot passes the filters.
func (s *SlotSearch) wants(slot Slot) bool {
	local := slot.StartAt.In(s.Zone)
	return slot.Duration >= s.MinDuration &&
		(len(s.Weekdays) == 0 || slices.Contains(s.Weekdays, local.Weekday())) &&
		s.wantsTimeOfDay(local)
}

func (s *SlotSearch) wantsTimeOfDay(local time.Time) bool {
	// By the local clock, and not by the time since midnight: they differ on a day on
	// which summer time begins or ends.
	hour, minute, second := local.Clock()
	now := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(local.Nanosecond())
	early := s.NotBefore != nil && now < s.NotBefore.sinceMidnight()
	late := s.NotAfter != nil && now > s.NotAfter.sinceMidnight()
	if s.acrossMidnight() {
		return !early || !late
	}
	return !early && !late
}

func (s *SlotSearch) acrossMidnight() bool {
	return s.NotBefore != nil && s.NotAfter != nil && s.NotAfter.sinceMidnight() < s.NotBefore.sinceMidnight()
}

func (c ClockTime) sinceMidnight() time.Duration {
	return time.Duration(c.Hour)*time.Hour + time.Duration(c.Minute)*time.Minute
}

// Search yields the open slots of several schedules that pass the filters, in order of
// start; slots with one start are in the order of Schedules. It works window by window:
// it asks all schedules for the first window, merges the answers and yields the slots,
// and asks for the next window when the loop gets there. If the loop stops early, so do
// the requests, and memory holds one window. No request runs while the loop's body
// does. Ranging again searches again.
//
// If a schedule fails, (Slot{ScheduleID: id}, err) is yielded once, before the window's
// slots, and the search goes on without it. A failure that concerns all schedules (an
// [InputError], 401, 403, the end of the context) is yielded once and ends the search. So
// is [ErrNoSlot] with the reasons, if every schedule was left out.
//
// The estimated earliest slot of a schedule is not used: it is an estimate.
//
// GET /schedules/{id}/slots for each schedule and window (source: inferred; a
// range is taken to mean the slots that start in it), and with InsuranceID
// GET /schedules/{id} (source: guide) once for each schedule. Only reads: safe
// to range again.
func (s *AvailabilitiesService) Search(ctx context.Context, search SlotSearch, opts ...CallOption) iter.Seq2[Slot, error] {
	return s.search(ctx, methodSearch, search, opts)
}

func (s *AvailabilitiesService) search(ctx context.Context, by caller, search SlotSearch, opts []CallOption) iter.Seq2[Slot, error] {
	var admit func(*Schedule) error
	if search.InsuranceID != "" {
		admit = func(schedule *Schedule) error {
			return checkInsurance(schedule, search.InsuranceID, RequireAccepted)
		}
	}
	return coreOf((*holder)(s)).search(ctx, by, search, admit, opts)
}

// First returns the earliest slot that the search finds, and asks for no more windows than
// it needs. If a schedule fails, it goes on as long as another one has a slot. If there is
// no slot, the error is [ErrNoSlot] if every schedule could be read, and otherwise the
// schedules' errors.
//
// The calls and sources are those of Search.
func (s *AvailabilitiesService) First(ctx context.Context, search SlotSearch, opts ...CallOption) (Slot, error) {
	var failures []error
	for slot, err := range s.search(ctx, methodFirst, search, opts) {
		if err == nil {
			return slot, nil
		}
		failures = append(failures, err)
	}
	return Slot{}, noSlot(failures)
}

func noSlot(failures []error) error {
	if len(failures) == 0 {
		return ErrNoSlot
	}
	return allOf(failures)
}

// search is Search with a rule that says why a schedule is left out. Without a rule (nil)
// no schedule is read.
func (c *core) search(ctx context.Context, by caller, search SlotSearch, admit func(*Schedule) error, opts []CallOption) iter.Seq2[Slot, error] {
	invalid := search.check(by, "")
	switch {
	case c == nil:
		invalid = noClient(by.name())
	case ctx == nil:
		invalid = noContext(by.name())
	}
	search = search.normalized()
	opts = withoutCapture(opts)
	return func(yield func(Slot, error) bool) {
		if invalid != nil {
			yield(Slot{}, invalid)
			return
		}
		w := newSlotWalk(c, search, admit, opts)
		for from := search.From; from.Before(search.To); from = from.Add(search.Window) {
			to := from.Add(search.Window)
			if to.After(search.To) {
				to = search.To
			}
			if !w.window(ctx, from, to, yield) {
				return
			}
		}
	}
}

// A slotWalk goes through the windows of one search.
type slotWalk struct {
	core   *core
	search SlotSearch
	admit  func(*Schedule) error
	opts   []CallOption
	lanes  []*lane // of the schedules that are still searched, in the caller's order
	looked bool    // a schedule's slots were read, or a schedule failed
}

// A lane is one schedule's part of a walk. One goroutine at a time uses it.
type lane struct {
	id       ScheduleID
	admitted bool
	leftOut  error  // why
	slots    []Slot // of the current window
	err      error
}

func newSlotWalk(c *core, search SlotSearch, admit func(*Schedule) error, opts []CallOption) *slotWalk {
	w := &slotWalk{core: c, search: search, admit: admit, opts: opts}
	for _, id := range search.Schedules {
		w.lanes = append(w.lanes, &lane{id: id, admitted: admit == nil})
	}
	return w
}

// window asks for one window and yields it; false ends the walk.
func (w *slotWalk) window(ctx context.Context, from, to time.Time, yield func(Slot, error) bool) bool {
	if err := w.fetch(ctx, from, to); err != nil {
		yield(Slot{}, err)
		return false
	}
	var reasons []error
	for _, l := range w.lanes {
		w.looked = w.looked || l.leftOut == nil
		if l.leftOut != nil {
			reasons = append(reasons, l.leftOut)
		}
		if l.err != nil && !yield(Slot{ScheduleID: l.id}, l.err) {
			return false
		}
	}
	if !w.looked {
		yield(Slot{}, because(ErrNoSlot, allOf(distinct(reasons))))
		return false
	}
	w.lanes = slices.DeleteFunc(w.lanes, func(l *lane) bool { return l.leftOut != nil || l.err != nil })
	for _, slot := range w.merge() {
		if err := w.core.ended(ctx, opAvailabilitiesList); err != nil { // the loop's body ended it, or it ended while the body ran
			yield(Slot{}, err)
			return false
		}
		if !yield(slot, nil) {
			return false
		}
	}
	return len(w.lanes) > 0
}

// distinct drops an error whose text is that of an earlier one.
func distinct(errs []error) []error {
	said := make(map[string]bool)
	return slices.DeleteFunc(errs, func(err error) bool {
		again := said[err.Error()]
		said[err.Error()] = true
		return again
	})
}

// fetch fills every lane, several of them concurrently. Its error is one that concerns all
// of them.
func (w *slotWalk) fetch(ctx context.Context, from, to time.Time) error {
	groupCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group errgroup.Group
	group.SetLimit(w.search.Concurrency)
	for _, l := range w.lanes {
		group.Go(func() error {
			l.slots, l.err = w.slots(groupCtx, l, from, to)
			if !concernsAll(ctx, l.err) {
				return nil
			}
			cancel(errAbandoned) // of the others
			return l.err
		})
	}
	return cmp.Or(group.Wait(), w.core.ended(ctx, opAvailabilitiesList))
}

func concernsAll(ctx context.Context, err error) bool {
	return errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrInvalidInput) ||
		ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// ended returns the error of a context that ended before such a call, for when no call reports it.
func (c *core) ended(ctx context.Context, op operation) error {
	if err := ctx.Err(); err != nil {
		// The caller's own context may say anything, so the cause is a fixed text.
		return newTransportError(c.endpoint(op), transport.Answer{}, transport.NewCause(ctx, err))
	}
	return nil
}

func (w *slotWalk) slots(ctx context.Context, l *lane, from, to time.Time) ([]Slot, error) {
	if admitted, err := w.admitted(ctx, l); !admitted {
		return nil, err
	}
	service := AvailabilitiesService{service{w.core}}
	// The API takes milliseconds: a slot would be lost if the end were rounded down.
	asked := AvailabilityListParams{From: from, To: to.Add(time.Millisecond - 1)}
	slots, err := service.List(ctx, l.id, asked, w.opts...)
	if err != nil {
		return nil, err
	}
	// The parameters for the range are inferred: a server may ignore them. And two windows
	// must not both yield a slot on their border.
	slots = slices.DeleteFunc(slots, func(s Slot) bool {
		return s.StartAt.Before(from) || !s.StartAt.Before(to) || !w.search.wants(s)
	})
	slices.SortFunc(slots, func(a, b Slot) int {
		return cmp.Or(a.StartAt.Compare(b.StartAt), cmp.Compare(a.Duration, b.Duration))
	})
	slots = slices.CompactFunc(slots, func(a, b Slot) bool {
		return a.StartAt.Equal(b.StartAt) && a.Duration == b.Duration
	})
	// A copy: a server that ignores the range sends all slots, and a slice of them
	// would keep all of them in memory.
	return append([]Slot(nil), slots...), nil
}

// admitted reads the lane's schedule, once, and applies the rule.
func (w *slotWalk) admitted(ctx context.Context, l *lane) (bool, error) {
	if l.admitted {
		return true, nil
	}
	schedule, err := w.schedule(ctx, l.id)
	if err != nil {
		return false, err
	}
	l.leftOut = w.admit(schedule)
	l.admitted = l.leftOut == nil
	return l.admitted, nil
}

func (w *slotWalk) schedule(ctx context.Context, id ScheduleID) (*Schedule, error) {
	i := slices.IndexFunc(w.search.Known, func(s Schedule) bool { return s.ID == id })
	if i < 0 {
		return get[Schedule](ctx, w.core, opSchedulesGet, id, w.opts)
	}
	return new(w.search.Known[i]), nil // a booking that keeps it doesn't keep the others
}

// merge empties the lanes into one list in order of start; ties stay in the
// order of the lanes.
func (w *slotWalk) merge() []Slot {
	all := make([][]Slot, len(w.lanes))
	for i, l := range w.lanes {
		all[i], l.slots = l.slots, nil
	}
	merged := slices.Concat(all...) // allocated once: there can be 100,000s
	slices.SortStableFunc(merged, func(a, b Slot) int { return a.StartAt.Compare(b.StartAt) })
	return merged
}
