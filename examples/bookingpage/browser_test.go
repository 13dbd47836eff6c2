package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// These tests drive Chromium, which .ci/run installs. Where it is missing they are
// skipped, unless CLOSURE_BROWSER=required; then they fail. CLOSURE_AXE is the file
// axe.min.js of npm's axe-core, and CLOSURE_SCREENSHOTS the directory that pictures
// of the pages go to.

const (
	phone   = 375
	desktop = 1280
)

// chromium is the one that all tests share, each in a profile of its own.
var chromium = sync.OnceValues(func() (context.Context, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, // root, in a container
		chromedp.Flag("lang", "en-US"), chromedp.Flag("proxy-server", "direct://"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	browser, _ := chromedp.NewContext(allocator)
	closeChromium = stop
	return browser, chromedp.Do(browser)
})

// closeChromium ends it, if a test started it.
var closeChromium = func() {}

// required tells what a test does without what it needs.
func required(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CLOSURE_BROWSER") == "required" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// A tab is a person at a browser.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site string
}

func newTab(t *testing.T, site string, width int64) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("it drives a browser")
	}
	browser, err := chromium()
	if err != nil {
		required(t, "Chromium can't be started (apt-get install chromium): "+err.Error())
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, site: site}
	if err := chromedp.Listen(ctx, b.notice); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(width, 900))
	tell(b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "America/New_York"})
	return b
}

// notice fails the test if the browser refuses something, such as by the
// Content-Security-Policy, and if an address holds anything of a person.
func (b *tab) notice(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Source == "security" || strings.Contains(e.Entry.Text, "Content Security Policy") {
			b.t.Errorf("the browser says: %s", e.Entry.Text)
		}
	case *cdppage.EventFrameNavigated:
		if found := personal(e.Frame.URL); found != "" {
			b.t.Errorf("an address holds %s", found)
		}
	}
}

// do does it, for at most a minute.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// ask is what the action finds.
func ask[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	found, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// tell sends the browser a command.
func tell[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.site + path)) }

func (b *tab) click(selector chromedp.CSS) {
	b.t.Helper()
	b.do(chromedp.ScrollIntoView(selector), chromedp.Click(selector))
}

// see waits for the page with the headline and the texts.
func (b *tab) see(headline string, texts ...string) {
	b.t.Helper()
	var last string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		found, err := chromedp.Run(ctx, chromedp.Evaluate[string](
			`document.readyState == "complete" ? document.querySelector("h1")?.textContent + "\n" + document.body.innerText : ""`))
		cancel()
		if err != nil || found == "" {
			continue
		}
		last = found
		if strings.HasPrefix(found, headline+"\n") && holdsAll(found, texts) {
			return
		}
	}
	b.t.Fatalf("the page is not %q with %q but\n%s", headline, texts, last)
}

func holdsAll(text string, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(part string) bool { return !strings.Contains(text, part) })
}

func (b *tab) signIn(plan string) {
	b.t.Helper()
	b.open("/")
	b.fill("Trisha Pandit", plan)
	b.click(`form[action="/who"] button`)
	b.see("Whom do you want to see?")
}

func (b *tab) fill(name, plan string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), name), chromedp.SetValue(chromedp.CSS("#born"), patientDOB),
		chromedp.SetValue(chromedp.CSS("#plan"), plan))
}

// buttonOf is the button of an opening.
func buttonOf(start time.Time) chromedp.CSS {
	return chromedp.CSS(fmt.Sprintf("button[value^=%q]", start.Format(time.RFC3339)))
}

func (b *tab) choose(start time.Time) {
	b.t.Helper()
	b.open(schedule)
	b.see("Openings of Deepika Sanon")
	b.click(buttonOf(start))
	b.see("Is this right?")
}

const bookButton chromedp.CSS = `form[action$="/book"] button`

// accessible looks at the page as it is, in light and dark: axe finds nothing serious,
// and nothing is wider than the window.
func (b *tab) accessible() {
	b.t.Helper()
	file := os.Getenv("CLOSURE_AXE")
	if file == "" {
		required(b.t, "CLOSURE_AXE is not set: npm pack axe-core")
	}
	axe, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	const run = `axe.run().then((result) => JSON.stringify({passed: result.passes.length, found: result.violations
		.filter((v) => v.impact == "serious" || v.impact == "critical").map((v) => v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary))}))`
	for _, scheme := range []string{"light", "dark"} {
		tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		ask(b, chromedp.Evaluate[int](string(axe)+"; 0"))
		text := ask(b, chromedp.Evaluate[string](run, chromedp.EvalAwaitPromise))
		tooWide := ask(b, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
		var result struct {
			Passed int      `json:"passed"`
			Found  []string `json:"found"`
		}
		if err := json.Unmarshal([]byte(text), &result); err != nil || result.Passed < 10 || len(result.Found) > 0 ||
			tooWide {
			b.t.Errorf("%s: axe passed %d and found %q; wider than the window: %t; %v",
				scheme, result.Passed, result.Found, tooWide, err)
		}
	}
}

// shot keeps a picture of the page.
func (b *tab) shot(name string) {
	b.t.Helper()
	directory := os.Getenv("CLOSURE_SCREENSHOTS")
	if directory == "" {
		return
	}
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	picture, err := png.Decode(bytes.NewReader(ask(b, chromedp.CaptureScreenshot())))
	if err != nil {
		b.t.Fatal(err)
	}
	var file bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := errors.Join(encoder.Encode(&file, fewColors(picture)),
		os.WriteFile(filepath.Join(directory, "bookingpage-"+name+".png"), file.Bytes(), 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

// fewColors is the picture in its most frequent colors, which makes it small.
func fewColors(picture image.Image) image.Image {
	count := map[color.Color]int{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[picture.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	few := image.NewPaletted(bounds, colors[:min(48, len(colors))])
	draw.Draw(few, bounds, picture, bounds.Min, draw.Src)
	return few
}

func (b *tab) withoutScript() {
	b.t.Helper()
	tell(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}
