package closure

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/closurehealth/closure-go/internal/transport"
)

// A SlotSearch says which open slots to look for, on which schedules.
type SlotSearch struct {
	Schedules   []ScheduleID   // at least one; a repeated one counts once
	From, To    time.Time      // half open: slots that start at From or later and before To
	Zone        *time.Location // the zone of the three filters below; default UTC
	Weekdays    []time.Weekday // local day a slot starts on; none: any
	NotBefore   *ClockTime     // local time of day a slot starts at the earliest
	NotAfter    *ClockTime     // … and at the latest, itself included; before NotBefore: across midnight
	MinDuration Minutes

	// InsuranceID leaves out schedules that don't accept it, those that list no
	// insurance at all among them: [Client.BookSlot] would refuse them too.
	// Each schedule is read once for it. If all of them are left out, the search
	// says why: ErrNoSlot, joined with an InsuranceError.
	InsuranceID InsuranceID

	// Known are schedules that you have read already, so that they aren't read again.
	Known []Schedule

	Window      time.Duration // how much of the range is asked for at a time, default 7 days, at least a minute
	Concurrency int           // schedules asked at once, default 8

	// MaxRequests bounds what a search may ask for: Schedules times windows between
	// From and To. A longer one is an InputError. Default 5,000.
	MaxRequests int
}

const (
	defaultWindow      = 7 * 24 * time.Hour
	minWindow          = time.Minute // Window: 7 means days to whoever writes it, and would be a flood
	defaultConcurrency = 8
	defaultMaxRequests = 5_000
)

// normalized is a copy with defaults that shares nothing with the caller's.
func (s SlotSearch) normalized() SlotSearch {
	s.Zone = cmp.Or(s.Zone, time.UTC)
	s.Window = cmp.Or(s.Window, defaultWindow)
	s.Concurrency = cmp.Or(s.Concurrency, defaultConcurrency)
	s.NotBefore, s.NotAfter = clone(s.NotBefore), clone(s.NotAfter)
	s.Weekdays = slices.Clone(s.Weekdays)
	s.Known = slices.Clone(s.Known)
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

func (s SlotSearch) check() error {
	op := opAvailabilitiesList
	invalid := func(field, reason string) error {
		return &InputError{Op: op.name(), Field: field, Reason: reason}
	}
	for _, id := range s.Schedules {
		if problem := idProblem(id); problem != "" {
			return invalid("Schedules", "holds an id that "+problem)
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
	case slices.ContainsFunc(s.Weekdays, func(d time.Weekday) bool { return d < time.Sunday || d > time.Saturday }):
		return invalid("Weekdays", "holds something that is not a day of the week")
	case s.Window != 0 && s.Window < minWindow:
		return invalid("Window", "is below a minute")
	case s.Concurrency < 0:
		return invalid("Concurrency", "is negative")
	case s.MaxRequests < 0:
		return invalid("MaxRequests", "is negative")
	}
	if err := cmp.Or(
		checkYear(op, "From", s.From),
		checkYear(op, "To", s.To),
		checkDuration(op, "MinDuration", s.MinDuration),
		checkOptionalID(op, "InsuranceID", s.InsuranceID),
	); err != nil {
		return err
	}
	if s.requests() > float64(cmp.Or(s.MaxRequests, defaultMaxRequests)) {
		return invalid("To", "is so far from From that the search takes more than MaxRequests requests")
	}
	return nil
}

// requests is how many the whole search takes, at most, beside reads of schedules.
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
	// By the clock on the wall, not by time since midnight: on the day of a
	// change to or from summer time they differ.
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

// Search yields the open slots of several schedules in order of start (ties: in
// the order of Schedules), filtered. It works window by window: the first
// window of all schedules is asked for, merged and yielded, the next when the
// loop gets there, so that stopping early stops the requests, and memory holds
// one window. No request runs while the loop's body does. Ranging again starts
// afresh.
//
// A schedule that fails is yielded once as (Slot{ScheduleID: id}, err), ahead of
// the window's slots, and the others go on without it. A failure that concerns
// them all (an [InputError], 401, 403, the end of the context) is yielded once
// and ends the search. So is [ErrNoSlot] with the reasons, if every schedule was left
// out.
//
// The estimated earliest slot of a schedule is not used: it is an estimate.
//
// GET /schedules/{id}/slots for each schedule and window (source: inferred; a
// range is taken to mean the slots that start in it), and with InsuranceID
// GET /schedules/{id} (source: guide) once for each schedule. Only reads: safe
// to range again.
func (s *AvailabilitiesService) Search(ctx context.Context, search SlotSearch, opts ...CallOption) iter.Seq2[Slot, error] {
	var admit func(*Schedule) error
	if search.InsuranceID != "" {
		admit = func(schedule *Schedule) error {
			return checkInsurance(schedule, search.InsuranceID, RequireAccepted)
		}
	}
	return use((*holder)(s)).search(ctx, search, admit, opts)
}

// First returns the earliest slot that the search finds. It asks for no more
// windows than that takes. A schedule that fails is passed over as long as
// another one has a slot. No slot at all is [ErrNoSlot] only if every schedule
// was looked at; otherwise the failures are returned.
//
// The calls and sources are those of Search.
func (s *AvailabilitiesService) First(ctx context.Context, search SlotSearch, opts ...CallOption) (Slot, error) {
	var failures []error
	for slot, err := range s.Search(ctx, search, opts...) {
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

// search is Search with any rule for which schedules to look at, which says why not;
// without one (nil) no schedule is read.
func (c *core) search(ctx context.Context, search SlotSearch, admit func(*Schedule) error, opts []CallOption) iter.Seq2[Slot, error] {
	invalid := search.check()
	search = search.normalized()
	opts = withoutCapture(opts)
	return func(yield func(Slot, error) bool) {
		if c == nil {
			invalid = noClient(opAvailabilitiesList.name())
		}
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
	lanes  []*lane // of the schedules still looked at, in the caller's order
	looked bool    // at a schedule's slots, or a schedule failed
}

// A lane is one schedule's part of a walk, touched by one goroutine at a time.
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
		if err := w.core.ended(ctx); err != nil { // by the loop's body, or while it ran
			yield(Slot{}, err)
			return false
		}
		if !yield(slot, nil) {
			return false
		}
	}
	return len(w.lanes) > 0
}

// distinct drops errors that say what one before them says.
func distinct(errs []error) []error {
	said := make(map[string]bool)
	return slices.DeleteFunc(errs, func(err error) bool {
		again := said[err.Error()]
		said[err.Error()] = true
		return again
	})
}

// fetch fills every lane, some of them at once. Its error is one that concerns
// them all.
func (w *slotWalk) fetch(ctx context.Context, from, to time.Time) error {
	if ctx == nil {
		return &InputError{Op: opAvailabilitiesList.name(), Field: "ctx", Reason: "is nil"}
	}
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
	return cmp.Or(group.Wait(), w.core.ended(ctx))
}

func concernsAll(ctx context.Context, err error) bool {
	return errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrInvalidInput) ||
		ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// ended is the end of the context, where no call reports it.
func (c *core) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		// A context of the caller's own may say anything: its cause is a fixed text.
		return newTransportError(c.endpoint(opAvailabilitiesList), transport.Answer{}, transport.NewCause(ctx, err))
	}
	return nil
}

func (w *slotWalk) slots(ctx context.Context, l *lane, from, to time.Time) ([]Slot, error) {
	if admitted, err := w.admitted(ctx, l); !admitted {
		return nil, err
	}
	service := AvailabilitiesService{service{w.core}}
	// The wire has milliseconds: rounding the end down would lose a slot.
	asked := AvailabilityListParams{From: from, To: to.Add(time.Millisecond - 1)}
	slots, err := service.List(ctx, l.id, asked, w.opts...)
	if err != nil {
		return nil, err
	}
	// The range is inferred: a server may ignore it. And two windows must not
	// both yield what lies on their border.
	slots = slices.DeleteFunc(slots, func(s Slot) bool {
		return s.StartAt.Before(from) || !s.StartAt.Before(to) || !w.search.wants(s)
	})
	slices.SortFunc(slots, func(a, b Slot) int {
		return cmp.Or(a.StartAt.Compare(b.StartAt), cmp.Compare(a.Duration, b.Duration))
	})
	slots = slices.CompactFunc(slots, func(a, b Slot) bool {
		return a.StartAt.Equal(b.StartAt) && a.Duration == b.Duration
	})
	// A copy, for a server that ignores the range sent it whole: to keep a part
	// of the answer is to keep all of it.
	return append([]Slot(nil), slots...), nil
}

// admitted looks at the lane's schedule, once.
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
	return w.search.Known[i].deepCopy(), nil
}

// merge empties the lanes into one list in order of start; ties stay in the
// order of the lanes.
func (w *slotWalk) merge() []Slot {
	all := make([][]Slot, len(w.lanes))
	for i, l := range w.lanes {
		all[i], l.slots = l.slots, nil
	}
	merged := slices.Concat(all...) // grown once: there can be 100,000s
	slices.SortStableFunc(merged, func(a, b Slot) int { return a.StartAt.Compare(b.StartAt) })
	return merged
}
