// Package pictures draws the pictures of the documents, as SVG: plots in rows, under a title
// and a line that says what each colour or mark means.
//
// They have a white background, so that they can be read on dark pages too. Their text needs no
// font that has to be installed.
package pictures

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	weights "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Variable names the directory that the pictures are written to. If it is not set, none is drawn.
const Variable = "CLOSURE_PICTURES"

// Colour-blind readers can tell these colours apart, too.
var (
	Ink    = color.RGBA{R: 0x24, G: 0x29, B: 0x2f, A: 0xff} // text and axes
	Muted  = color.RGBA{R: 0x8a, G: 0x92, B: 0x9c, A: 0xff} // what the rest is compared with
	Shade  = color.RGBA{R: 0xec, G: 0xee, B: 0xf1, A: 0xff} // a highlighted part of a plot
	Blue   = color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}
	Orange = color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}
)

const (
	margin     = 12
	headHeight = 52
	axisHeight = 16
	size       = 11
	titleSize  = 15
)

// A Picture is one file.
type Picture struct {
	Title  string
	Keys   []Key
	X, Y   string         // the titles of all plots' axes, with the unit
	Rows   [][]*plot.Plot // of the same length
	Width  vg.Length
	Height vg.Length
}

// A Key explains a line or a mark.
type Key struct {
	Text string
	Line draw.LineStyle  // if it has a width
	Mark draw.GlyphStyle // if it has a shape
}

// Style returns the style of a text.
func Style(bold bool, points vg.Length, x text.XAlignment, y text.YAlignment) text.Style {
	face := font.Font{Typeface: "Liberation", Variant: "Sans", Size: points}
	if bold {
		face.Weight = weights.WeightBold
	}
	return text.Style{Color: Ink, Font: face, XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler}
}

// NewPlot returns an empty plot.
func NewPlot(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text, p.Title.TextStyle, p.Title.Padding = title, Style(true, size, draw.XCenter, draw.YTop), 4
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Padding = 2
		axis.LineStyle = draw.LineStyle{Color: Muted, Width: 0.7}
		axis.Tick.LineStyle, axis.Tick.Length = axis.LineStyle, 4
	}
	p.X.Tick.Label = Style(false, size-1, draw.XCenter, draw.YTop)
	p.Y.Tick.Label = Style(false, size-1, draw.XRight, draw.YCenter)
	return p
}

// Write writes the picture to the directory that Variable names.
func (p Picture) Write(name string) error {
	canvas := vgsvg.New(p.Width, p.Height)
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	p.head(whole)
	p.axes(whole)
	left, bottom := vg.Length(margin), vg.Length(margin)
	if p.Y != "" {
		left += axisHeight
	}
	if p.X != "" {
		bottom += axisHeight
	}
	grid := draw.Crop(whole, left, -margin, bottom, -headHeight)
	tiles := draw.Tiles{Rows: len(p.Rows), Cols: len(p.Rows[0]), PadX: 16, PadY: 6}
	for i, row := range plot.Align(p.Rows, tiles, grid) {
		for j, cell := range row {
			p.Rows[i][j].Draw(cell)
		}
	}
	var file bytes.Buffer
	if _, err := canvas.WriteTo(&file); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(os.Getenv(Variable), name), []byte(anywhere.Replace(file.String())), 0o600)
}

// anywhere adds fonts as wide as Liberation Sans, for machines that don't have that one, and
// removes defaults, so that the file is small.
var anywhere = strings.NewReplacer(
	"font-family:Liberation Sans", "font-family:Liberation Sans,Arial,Helvetica,sans-serif",
	"font-variant:normal;", "", "font-weight:normal;", "", "font-style:normal;", "",
)

// Ticks are the values that an axis shows.
type Ticks []float64

// Ticks implements plot.Ticker.
func (t Ticks) Ticks(_, _ float64) (all []plot.Tick) {
	for _, value := range t {
		all = append(all, plot.Tick{Value: value, Label: strconv.FormatFloat(value, 'f', -1, 64)})
	}
	return all
}

// Unlabelled returns the same ticks without their numbers, for a plot above one that has them.
func (t Ticks) Unlabelled() plot.Ticker {
	all := t.Ticks(0, 0)
	for i := range all {
		all[i].Label = ""
	}
	return plot.ConstantTicks(all)
}

// axes writes below the plots, and left of them, what they show.
func (p Picture) axes(whole draw.Canvas) {
	style := Style(false, size, draw.XCenter, draw.YBottom)
	whole.FillText(style, vg.Point{X: whole.Max.X / 2, Y: margin - 4}, p.X)
	style.Rotation, style.YAlign = math.Pi/2, draw.YTop
	whole.FillText(style, vg.Point{X: margin - 4, Y: (whole.Max.Y - headHeight) / 2}, p.Y)
}

// head writes the title, and below it the keys beside each other.
func (p Picture) head(whole draw.Canvas) {
	title := Style(true, titleSize, draw.XLeft, draw.YTop)
	whole.FillText(title, vg.Point{X: margin, Y: whole.Max.Y - 8}, p.Title)
	small := Style(false, size, draw.XLeft, draw.YCenter)
	x, y := vg.Length(margin), whole.Max.Y-36
	for _, key := range p.Keys {
		if key.Line.Width > 0 {
			whole.StrokeLine2(key.Line, x, y, x+22, y)
		}
		if key.Mark.Shape != nil {
			whole.DrawGlyph(key.Mark, vg.Point{X: x + 11, Y: y})
		}
		whole.FillText(small, vg.Point{X: x + 28, Y: y}, key.Text)
		x += 28 + small.Width(key.Text) + 20
	}
}
