package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/closurehealth/closure-go/closuretest"
)

// The whole way on a desktop and on a phone, with a look at each page.
func TestBrowserWholeWay(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{desktop, phone} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			b := newTab(t, s.url, width)
			b.open("/")
			b.see("Book an appointment")
			b.accessible()
			b.signIn("")
			b.accessible()
			b.click(`a[href="` + chromedp.CSS(schedule) + `"]`)
			b.see("Openings of Deepika Sanon", "Clocks go back 1 hour at 2:00 AM", "1:30 AM EDT", "1:30 AM EST")
			b.accessible()
			b.shot(fmt.Sprintf("openings-%d", width))
			b.choose(sunday2)
			b.accessible()
			b.click(bookButton)
			b.see(isBooked, "Sunday, November 1, 2026 at 1:30 AM EST", "Add to my calendar")
			b.accessible()
			b.click(`a[href$="/move"]`)
			b.see("Move your appointment", "1:30 AM EST")
			b.accessible()
			b.click(buttonOf(monday))
			b.see("Move your appointment?", "Monday, November 2, 2026 at 10:00 AM EST")
			b.accessible()
			b.click(`form[action$="/move"] button`)
			b.see(isBooked, "Monday, November 2")
			b.click(`a[href$="/cancel"]`)
			b.see("Cancel your appointment?")
			b.accessible()
			b.click(`form[action$="/cancel"] button`)
			b.see("Your appointment is cancelled")
			b.accessible()
			if n := len(standing(s.double)); n != 0 || len(s.double.Appointments()) != 1 {
				t.Errorf("%d appointments stand, of %d", n, len(s.double.Appointments()))
			}
		})
	}
}

// Without JavaScript all is the same: also "we are checking" ends by itself.
func TestBrowserWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s.url, phone)
	b.withoutScript()
	b.signIn("")
	b.choose(monday)
	s.double.Inject(closuretest.CommitLate("appointments.create", 4*time.Second))
	b.do(chromedp.DoubleClick(bookButton))
	b.see(isChecking, "you may close it")
	b.see(isBooked, "10:00 AM EST")
	if n := len(standing(s.double)); n != 1 {
		t.Errorf("%d appointments", n)
	}
}

func TestBrowserDoubleClick(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.double.Inject(closuretest.Delay("appointments.create", 500*time.Millisecond))
	b := newTab(t, s.url, desktop)
	b.signIn("")
	b.choose(monday)
	b.do(chromedp.DoubleClick(bookButton))
	b.see(isBooked)
	b.do(chromedp.NavigateBack())
	b.see(isBooked) // the page before is the same address, read anew
	b.do(chromedp.Reload())
	b.see(isBooked)
	if n := len(s.double.Appointments()); n != 1 {
		t.Errorf("%d appointments", n)
	}
}

func TestBrowserEndings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		plan   string
		before func(*site)
		see    []string // headline and texts, after the click
		then   func(*tab)
	}{
		{"answer lost", "", inject(closuretest.DropAfter("appointments.create")), []string{isBooked}, nil},
		{"booked late", "", inject(closuretest.CommitLate("appointments.create", 20*time.Second)),
			[]string{isChecking, "you may close it"},
			func(b *tab) { b.accessible(); b.see(isBooked) }},
		{"taken", "", func(s *site) { s.takeAway(monday) },
			[]string{isNotBooked, "Somebody else has this opening", "10:30 AM EST"},
			func(b *tab) {
				b.accessible()
				b.shot("taken")
				b.click(buttonOf(monday2))
				b.see("Is this right?", "10:30 AM EST")
				b.click(bookButton)
				b.see(isBooked)
			}},
		{"insurance", string(otherPlan), func(*site) {},
			[]string{isNotBooked, "doesn’t take your insurance", "Who takes your insurance"},
			func(b *tab) { b.accessible(); b.click(bookButton); b.see(isBooked) }},
		{"API down", "", inject(closuretest.Status("*", 503).Times(0)),
			[]string{isNotBooked, "You have no appointment", "Try again"}, (*tab).accessible},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			b := newTab(t, s.url, desktop)
			b.signIn(test.plan)
			b.choose(monday)
			test.before(s)
			b.click(bookButton)
			b.see(test.see[0], test.see[1:]...)
			if test.then != nil {
				test.then(b)
			}
		})
	}
}

// The whole way by keyboard: everything is reached by Tab, and shows that it has
// the focus.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s.url, desktop)
	b.open("/")
	b.tabTo("a.skip")
	b.tabTo("#name")
	b.do(chromedp.KeyEvent("Trisha Pandit"))
	b.tabTo("#born")
	b.do(chromedp.KeyEvent("12221994"))
	b.tabTo("#plan")
	b.tabTo("#zone")
	b.tabTo("button.main")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("Whom do you want to see?")
	b.tabTo(`a[href="` + chromedp.CSS(schedule) + `"]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("Openings of Deepika Sanon")
	b.tabTo(buttonOf(monday))
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("Is this right?")
	b.tabTo(bookButton)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see(isBooked, "Monday, November 2, 2026 at 10:00 AM EST")
	for _, selector := range []chromedp.CSS{`a[href$=".ics"]`, `a[href$="/move"]`, `a[href$="/cancel"]`} {
		b.tabTo(selector)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("Cancel your appointment?")
	b.tabTo(`form[action$="/cancel"] button`)
	b.do(chromedp.KeyEvent(" "))
	b.see("Your appointment is cancelled")
	if n := len(standing(s.double)); n != 0 {
		t.Errorf("%d appointments", n)
	}
}

// tabTo presses Tab until the element has the focus.
func (b *tab) tabTo(selector chromedp.CSS) {
	b.t.Helper()
	for range 150 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if !ask(b, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector))) {
			continue
		}
		if !ask(b, chromedp.Evaluate[bool](`getComputedStyle(document.activeElement).outlineStyle != "none"`)) {
			b.t.Errorf("%s doesn't show that it has the focus", selector)
		}
		return
	}
	b.t.Fatalf("Tab doesn't get to %s", selector)
}

// What was typed wrong is announced, and has the focus.
func TestBrowserProblemHasTheFocus(t *testing.T) {
	t.Parallel()
	b := newTab(t, newSite(t).url, desktop)
	b.open("/")
	b.fill("Nobody Here", "")
	b.click(`form[action="/who"] button`)
	b.see("Book an appointment", "We did not find you")
	if role := ask(b, chromedp.Evaluate[string](`document.activeElement.getAttribute("role")`)); role != "alert" {
		t.Errorf("the focus is on %q", role)
	}
	b.accessible()
}

// Closing the tab, or the browser, loses nothing: the address shows the ending.
func TestBrowserTabClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s.url, desktop)
	b.signIn("")
	b.choose(monday)
	s.double.Inject(closuretest.CommitLate("appointments.create", 3*time.Second))
	b.click(bookButton)
	b.see(isChecking)
	b.open("/nothing")
	time.Sleep(4 * time.Second)
	if visits, err := s.store.query(t.Context(), `SELECT data FROM visits WHERE state = 'booked'`); len(visits) != 1 {
		t.Errorf("%d visits are booked while nobody looks, %v", len(visits), err)
	}
	b.open("/")
	b.see("Book an appointment", "Your appointments here", "Monday, November 2, 2026 at 10:00 AM EST: booked")
}
