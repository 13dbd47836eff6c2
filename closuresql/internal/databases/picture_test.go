package databases

import (
	"os"
	"strconv"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/closurehealth/closure-go/internal/pictures"
)

// A panel is a part of the picture of docs/production.md.
type panel struct {
	title  string
	atOnce int
	rows   []latencies
}

// latencies says how long each booking took, the shortest first.
type latencies struct {
	name string
	took []time.Duration
}

// milliseconds is what so many percent of the bookings stayed below.
func milliseconds(took []time.Duration, percent int) float64 {
	return float64(took[len(took)*percent/100].Microseconds()) / 1000
}

var marks = []struct {
	percent int
	says    string
	style   draw.GlyphStyle
}{
	{50, "half of the bookings are faster", draw.GlyphStyle{Color: pictures.Blue, Radius: 4, Shape: draw.CircleGlyph{}}},
	{90, "90 % are faster", draw.GlyphStyle{Color: pictures.Blue, Radius: 3.5, Shape: draw.BoxGlyph{}}},
	{99, "99 % are faster", draw.GlyphStyle{Color: pictures.Orange, Radius: 4.5, Shape: draw.PyramidGlyph{}}},
}

// drawLatencies writes the picture, if somebody asks for it.
func drawLatencies(b *testing.B, panels []panel) {
	b.Helper()
	if os.Getenv(pictures.Variable) == "" {
		return
	}
	picture := pictures.Picture{Title: "How long a booking takes with each journal", Width: 680, Height: 470,
		X: "time that a booking takes (ms); each line is ten times the one before"}
	for _, mark := range marks {
		picture.Keys = append(picture.Keys, pictures.Key{Text: mark.says, Mark: mark.style})
	}
	for _, panel := range panels {
		p := pictures.NewPlot(panel.title)
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
		p.X.Min, p.X.Max = bounds(panels)
		p.Add(decades{})
		p.Y.Min, p.Y.Max = -0.5, float64(len(panel.rows))-0.5
		names := make([]plot.Tick, len(panel.rows))
		for j, row := range panel.rows {
			y := float64(len(panel.rows) - 1 - j)
			names[j] = plot.Tick{Value: y, Label: row.name}
			p.Add(spread{took: row.took, y: y})
		}
		p.Y.Tick.Marker, p.Y.Tick.Length = plot.ConstantTicks(names), 0
		picture.Rows = append(picture.Rows, []*plot.Plot{p})
	}
	if err := picture.Write("journals.svg"); err != nil {
		b.Error(err)
	}
}

// bounds are the powers of ten around all marks.
func bounds(panels []panel) (least, most float64) {
	least, most = 1, 1
	for _, panel := range panels {
		for _, row := range panel.rows {
			for milliseconds(row.took, marks[0].percent) < least*1.05 {
				least /= 10
			}
			for milliseconds(row.took, marks[2].percent) > most/1.05 {
				most *= 10
			}
		}
	}
	return least, most
}

// decades puts a line at each power of ten.
type decades struct{}

func (decades) Ticks(least, most float64) (ticks []plot.Tick) {
	for at := least; at < most*1.01; at *= 10 {
		ticks = append(ticks, plot.Tick{Value: at, Label: short(at)})
	}
	return ticks
}

// Plot draws the lines.
func (d decades) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for _, tick := range d.Ticks(p.X.Min, p.X.Max) {
		at := x(tick.Value)
		c.StrokeLine2(draw.LineStyle{Color: pictures.Shade, Width: 1}, at, c.Min.Y, at, c.Max.Y)
	}
}

// short writes two digits that count.
func short(value float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(value, 'g', 2, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// A spread is the line of a journal with its marks, and their values.
type spread struct {
	took []time.Duration
	y    float64
}

func (s spread) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	first, last := x(milliseconds(s.took, marks[0].percent)), x(milliseconds(s.took, marks[2].percent))
	c.StrokeLine2(draw.LineStyle{Color: pictures.Muted, Width: 2}, first, y(s.y), last, y(s.y))
	for i, mark := range marks {
		value := milliseconds(s.took, mark.percent)
		at := vg.Point{X: x(value), Y: y(s.y)}
		c.DrawGlyph(mark.style, at)
		label, away := pictures.Style(false, 10, draw.XCenter, draw.YBottom), vg.Length(5)
		if i == 1 { // below, where the labels beside it are not
			label.YAlign, away = draw.YTop, -5
		}
		c.FillText(label, vg.Point{X: at.X, Y: at.Y + away}, short(value))
	}
}
