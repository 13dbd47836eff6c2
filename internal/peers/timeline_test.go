package peers

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/closurehealth/closure-go/internal/commandline"
	"github.com/closurehealth/closure-go/internal/pictures"
)

// A series counts what happens in each stretch of time.
type series struct {
	each time.Duration

	mu     sync.Mutex
	counts map[int]int
}

func (s *series) add(at time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[int(at/s.each)]++
}

// steps is the line of what happens in a second, until then.
func (s *series) steps(until time.Duration) plotter.XYs {
	var line plotter.XYs
	for i := range int(until / s.each) {
		y := float64(s.counts[i]) / s.each.Seconds()
		line = append(line, plotter.XY{X: (time.Duration(i) * s.each).Seconds(), Y: y},
			plotter.XY{X: (time.Duration(i+1) * s.each).Seconds(), Y: y})
	}
	return line
}

// A load begins calls at the same pace, whatever becomes of them, as visitors of a page do.
type load struct {
	title    string
	second   int           // calls that begin in one
	takes    time.Duration // an answer
	from, to time.Duration // out of order; the same: a blip
	lasts    time.Duration
	each     time.Duration // a step of the picture
	x, y     pictures.Ticks
	says     func(*timeline) string
}

var loads = []load{
	{
		title: "A blip: 1,000 connections die at 2 s", second: 1000, takes: time.Second,
		from: 2 * time.Second, to: 2 * time.Second, lasts: 8 * time.Second, each: 250 * time.Millisecond,
		x: pictures.Ticks{0, 2, 4, 6, 8}, y: pictures.Ticks{0, 1000, 5000},
		says: func(l *timeline) string { return fmt.Sprintf("%d calls failed", l.failures) },
	},
	{
		title: "An outage from 10 s to 40 s", second: 64, takes: 100 * time.Millisecond,
		from: 10 * time.Second, to: 40 * time.Second, lasts: 60 * time.Second, each: time.Second,
		x: pictures.Ticks{0, 10, 20, 30, 40, 50, 60}, y: pictures.Ticks{0, 64, 320},
		says: func(l *timeline) string { return fmt.Sprintf("%.2f requests a call", l.perCall) },
	},
}

// A timeline is what became of a load.
type timeline struct {
	sent, failed series
	failures     int
	perCall      float64 // requests that were sent during the outage
}

func (l load) run(t *testing.T, client func(t *testing.T, w *world) func() error) *timeline {
	line := &timeline{
		sent:   series{each: l.each, counts: map[int]int{}},
		failed: series{each: l.each, counts: map[int]int{}},
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{takes: l.takes, begin: time.Now(), from: l.from, to: l.to, sent: &line.sent}
		do := client(t, w)
		var all sync.WaitGroup
		for range int(l.lasts.Seconds()) * l.second {
			all.Go(func() {
				if do() != nil {
					line.failed.add(time.Since(w.begin))
				}
			})
			time.Sleep(time.Second / time.Duration(l.second))
		}
		all.Wait()
		line.perCall = float64(w.requests.Load()) / ((l.to - l.from).Seconds() * float64(l.second))
	})
	for _, count := range line.failed.counts {
		line.failures += count
	}
	return line
}

var (
	sentStyle   = draw.LineStyle{Color: pictures.Blue, Width: 1.5}
	failedStyle = draw.LineStyle{Color: pictures.Orange, Width: 1.5}
	callsStyle  = draw.LineStyle{Color: pictures.Muted, Width: 1, Dashes: []vg.Length{4, 3}}
)

// The picture of docs/retries.md: all clients under the same load.
func TestPicture(t *testing.T) {
	if os.Getenv(pictures.Variable) == "" {
		t.Skip("it draws a picture: set " + pictures.Variable + " to a directory")
	}
	progress := commandline.NewProgress(os.Stderr, "loads", len(clients)*len(loads))
	defer progress.Clear()
	picture := pictures.Picture{
		Title: "What clients do in a blip and in an outage", Width: 680, Height: 560,
		X: "time (s)", Y: "calls or requests per second",
		Keys: []pictures.Key{
			{Text: "calls that begin", Line: callsStyle},
			{Text: "requests sent to the API", Line: sentStyle},
			{Text: "calls that fail", Line: failedStyle},
		},
	}
	top := make([]float64, len(loads))
	for i, client := range clients {
		var row []*plot.Plot
		for j, l := range loads {
			line := l.run(t, client.new)
			p, most := l.draw(t, line, client.name)
			top[j] = max(top[j], most)
			if i == 0 {
				p.Title.Text = l.title
			}
			if i == len(clients)-1 {
				p.X.Tick.Marker = l.x
			}
			row = append(row, p)
			progress.Step()
		}
		picture.Rows = append(picture.Rows, row)
	}
	for _, row := range picture.Rows {
		for j, p := range row {
			p.Y.Min, p.Y.Max = 0, top[j]*1.3 // room for the captions
		}
	}
	if err := picture.Write("outage.svg"); err != nil {
		t.Error(err)
	}
}

// draw returns the plot, and the greatest value in it.
func (l load) draw(t *testing.T, line *timeline, name string) (p *plot.Plot, most float64) {
	p = pictures.NewPlot("")
	p.X.Min, p.X.Max = 0, l.lasts.Seconds()
	p.X.Tick.Marker, p.Y.Tick.Marker = l.x.Unlabelled(), l.y
	sent, failed := line.sent.steps(l.lasts), line.failed.steps(l.lasts)
	for _, at := range append(sent, failed...) {
		most = max(most, at.Y)
	}
	add := func(data plotter.XYs, style draw.LineStyle) {
		drawn, err := plotter.NewLine(data)
		if err != nil {
			t.Fatal(err)
		}
		drawn.LineStyle = style
		p.Add(drawn)
	}
	p.Add(band{from: l.from.Seconds(), to: l.to.Seconds()})
	add(sent, sentStyle)
	add(failed, failedStyle)
	add(plotter.XYs{{X: 0, Y: float64(l.second)}, {X: l.lasts.Seconds(), Y: float64(l.second)}}, callsStyle)
	p.Add(caption{left: name, right: l.says(line)})
	return p, most
}

// A band shades an outage, and draws a line at a blip.
type band struct{ from, to float64 }

func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	if b.from == b.to {
		c.StrokeLine2(draw.LineStyle{Color: pictures.Muted, Width: 1}, x(b.from), c.Min.Y, x(b.from), c.Max.Y)
		return
	}
	c.SetColor(pictures.Shade)
	c.Fill(vg.Rectangle{Min: vg.Point{X: x(b.from), Y: c.Min.Y}, Max: vg.Point{X: x(b.to), Y: c.Max.Y}}.Path())
}

// A caption stands in the upper corners of a plot.
type caption struct{ left, right string }

func (s caption) Plot(c draw.Canvas, _ *plot.Plot) {
	c.FillText(pictures.Style(true, 11, draw.XLeft, draw.YTop), vg.Point{X: c.Min.X + 6, Y: c.Max.Y - 2}, s.left)
	c.FillText(pictures.Style(false, 11, draw.XRight, draw.YTop), vg.Point{X: c.Max.X - 2, Y: c.Max.Y - 2}, s.right)
}
