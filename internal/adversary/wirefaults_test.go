package adversary

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// rawAnswers are HTTP/1.1 responses that are invalid, or end elsewhere than they say. Each
// comes once with the connection left open, and once with a FIN.
func rawAnswers() (faults []fault) {
	const (
		okLine  = "HTTP/1.1 200 OK\r\n"
		length  = "Content-Length: {len}\r\n"
		chunked = "Transfer-Encoding: chunked\r\n\r\n"
		chunks  = okLine + chunked
	)
	for _, a := range []struct{ name, text string }{
		{"Content-Length too short", okLine + "Content-Length: {short}\r\n\r\n{body}"},
		{"Content-Length 0", okLine + "Content-Length: 0\r\n\r\n{body}"},
		{"Content-Length too long", okLine + "Content-Length: {long}\r\n\r\n{body}"},
		{"Content-Length negative", okLine + "Content-Length: -1\r\n\r\n{body}"},
		{"Content-Length no number", okLine + "Content-Length: many\r\n\r\n{body}"},
		{"Content-Length beyond all numbers", okLine + "Content-Length: 99999999999999999999\r\n\r\n{body}"},
		{"Content-Length of 9 PB", okLine + "Content-Length: 9007199254740992\r\n\r\n{body}"},
		{"two Content-Lengths", okLine + length + "Content-Length: {short}\r\n\r\n{body}"},
		{"Content-Length and chunks", okLine + "Content-Length: 3\r\n" + chunked + "{hex}\r\n{body}\r\n0\r\n\r\n"},
		{"no length at all", okLine + "\r\n{body}"},
		{"good chunks", chunks + "{hex}\r\n{body}\r\n0\r\n\r\n"},
		{"chunks without an end", chunks + "{hex}\r\n{body}\r\n"},
		{"chunk too long", chunks + "fff\r\n{body}\r\n0\r\n\r\n"},
		{"chunk too short", chunks + "5\r\n{body}\r\n0\r\n\r\n"},
		{"chunk size no number", chunks + "zz\r\n{body}\r\n0\r\n\r\n"},
		{"chunk size negative", chunks + "-5\r\n{body}\r\n0\r\n\r\n"},
		{"chunk size beyond all numbers", chunks + "ffffffffffffffffff\r\n{body}\r\n0\r\n\r\n"},
		{"chunk with a long extension", chunks + "{hex};{5000}\r\n{body}\r\n0\r\n\r\n"},
		{"chunks with a broken trailer", chunks + "{hex}\r\n{body}\r\n0\r\nno trailer\r\n\r\n"},
		{"an encoding that nobody knows", okLine + "Transfer-Encoding: rot13\r\n\r\n{body}"},
		{"gzip that is none", okLine + "Content-Encoding: gzip\r\n" + length + "\r\n{body}"},
		{"a head without an end", okLine + "X: {5000}\r\n"},
		{"a head of 2 MB", okLine + "X: {2000000}\r\n" + length + "\r\n{body}"},
		{"a header without a colon", okLine + "nothing\r\n" + length + "\r\n{body}"},
		{"a header with a NUL", okLine + "X: a\x00b\r\n" + length + "\r\n{body}"},
		{"a status that is no number", "HTTP/1.1 2OO OK\r\n" + length + "\r\n{body}"},
		{"a status of 4 digits", "HTTP/1.1 2000 OK\r\n" + length + "\r\n{body}"},
		{"status 000", "HTTP/1.1 000 OK\r\n" + length + "\r\n{body}"},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n{body}"},
		{"HTTP/0.9", "{body}"},
		{"HTTP/3.0", "HTTP/3.0 200 OK\r\n" + length + "\r\n{body}"},
		{"another protocol", "220 smtp.example.org ESMTP\r\n"},
		{"an empty line first", "\r\n" + okLine + length + "\r\n{body}"},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: {len}\n\n{body}"},
	} {
		faults = append(faults,
			after(a.name, http1, func(x *exchange, r reply) { x.out.write(render(a.text, r.body)) }),
			after(a.name+", FIN", http1, func(x *exchange, r reply) { x.out.write(render(a.text, r.body)); x.wire.fin() }))
	}
	return faults
}

func render(text, body string) []byte {
	return []byte(strings.NewReplacer(
		"{body}", body,
		"{len}", fmt.Sprint(len(body)),
		"{short}", fmt.Sprint(len(body)/2),
		"{long}", fmt.Sprint(len(body)+10),
		"{hex}", fmt.Sprintf("%x", len(body)),
		"{5000}", strings.Repeat("x", 5000),
		"{2000000}", strings.Repeat("x", 2000000),
	).Replace(text))
}

// frameFaults are HTTP/2 responses that break the protocol's rules, or are unusual and valid.
func frameFaults() (faults []fault) {
	four := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for _, f := range []struct {
		name   string
		frames func(a *http2Response, r reply) []byte
	}{
		{"an unknown frame first", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(0x77, 0, a.stream, four(1)))
		}},
		{"a PING first", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(framePing, 0, 0, make([]byte, 8)))
		}},
		{"500 PINGs first", func(a *http2Response, r reply) []byte {
			return good(a, r, times(500, frame(framePing, 0, 0, make([]byte, 8))))
		}},
		{"500 SETTINGS first", func(a *http2Response, r reply) []byte {
			return good(a, r, times(500, frame(frameSettings, 0, 0, nil)))
		}},
		{"500 empty DATA", func(a *http2Response, r reply) []byte {
			return append(append(a.head(r), times(500, frame(frameData, 0, a.stream, nil))...), a.body(r)...)
		}},
		{"DATA first", func(a *http2Response, r reply) []byte { return a.body(r) }},
		{"HEADERS that end it", func(a *http2Response, r reply) []byte {
			return frame(frameHeaders, flagEndHeaders|flagEndStream, a.stream, block(r))
		}},
		{"HEADERS without :status", func(a *http2Response, r reply) []byte {
			return frame(frameHeaders, flagEndHeaders|flagEndStream, a.stream, appendField(nil, "x", "y"))
		}},
		{"HEADERS with an unknown pseudo header", func(a *http2Response, r reply) []byte {
			return append(frame(frameHeaders, flagEndHeaders, a.stream, appendField(block(r), ":x", "y")), a.body(r)...)
		}},
		{"HEADERS in capitals", func(a *http2Response, r reply) []byte {
			return append(frame(frameHeaders, flagEndHeaders, a.stream, appendField(block(r), "X-Y", "y")), a.body(r)...)
		}},
		{"HEADERS of 300 KB", func(a *http2Response, r reply) []byte { return append(bigHeaders(a, r), a.body(r)...) }},
		{"a status that is no number", func(a *http2Response, r reply) []byte {
			return append(frame(frameHeaders, flagEndHeaders, a.stream, appendText([]byte{8}, "2OO")), a.body(r)...)
		}},
		{"broken header block", func(a *http2Response, r reply) []byte {
			return frame(frameHeaders, flagEndHeaders, a.stream, []byte{0xff, 0xff, 0xff, 0xff, 0xff})
		}},
		{"HEADERS without an end", func(a *http2Response, r reply) []byte {
			return frame(frameHeaders, 0, a.stream, block(r))
		}},
		{"HEADERS without an end, then DATA", func(a *http2Response, r reply) []byte {
			return append(frame(frameHeaders, 0, a.stream, block(r)), a.body(r)...)
		}},
		{"CONTINUATION first", func(a *http2Response, r reply) []byte {
			return frame(frameContinuation, flagEndHeaders, a.stream, block(r))
		}},
		{"1000 CONTINUATIONs", func(a *http2Response, r reply) []byte {
			return append(frame(frameHeaders, 0, a.stream, block(r)), times(1000, frame(frameContinuation, 0, a.stream, nil))...)
		}},
		{"HEADERS twice", func(a *http2Response, r reply) []byte { return good(a, r, a.head(r)) }},
		{"trailers", func(a *http2Response, r reply) []byte {
			return append(append(a.head(r), frame(frameData, 0, a.stream, []byte(r.body))...),
				frame(frameHeaders, flagEndHeaders|flagEndStream, a.stream, appendField(nil, "x", "y"))...)
		}},
		{"content-length too long", func(a *http2Response, r reply) []byte { return lengthened(a, r, len(r.body)+10) }},
		{"content-length too short", func(a *http2Response, r reply) []byte { return lengthened(a, r, len(r.body)/2) }},
		{"content-length negative", func(a *http2Response, r reply) []byte { return lengthened(a, r, -1) }},
		{"bad padding", func(a *http2Response, r reply) []byte {
			return append(a.head(r), frame(frameData, flagPadded|flagEndStream, a.stream, []byte{200, 1, 2})...)
		}},
		{"an endless frame", func(a *http2Response, r reply) []byte {
			return append(a.head(r), 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1)
		}},
		{"DATA on no stream", func(a *http2Response, r reply) []byte {
			return append(a.head(r), frame(frameData, 0, 0, []byte("x"))...)
		}},
		{"DATA on a stream to come", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameData, 1, a.stream+100, []byte("x")))
		}},
		{"RST_STREAM of a stream to come", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameRST, 0, a.stream+100, four(1)))
		}},
		{"RST_STREAM after the answer", func(a *http2Response, r reply) []byte {
			return append(good(a, r, nil), frame(frameRST, 0, a.stream, four(0))...)
		}},
		{"WINDOW_UPDATE of 0", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameWindowUpdate, 0, a.stream, four(0)))
		}},
		{"WINDOW_UPDATE beyond the limit", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameWindowUpdate, 0, 0, four(1<<31-1)))
		}},
		{"PUSH_PROMISE", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(framePushPromise, flagEndHeaders, a.stream, append(four(2), block(r)...)))
		}},
		{"SETTINGS that can't be", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameSettings, 0, 0, append([]byte{0, 4}, four(1<<31)...)))
		}},
		{"SETTINGS without streams", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameSettings, 0, 0, append([]byte{0, 3}, four(0)...)))
		}},
		{"SETTINGS without a window", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(frameSettings, 0, 0, append([]byte{0, 4}, four(0)...)))
		}},
		{"PRIORITY of the wrong size", func(a *http2Response, r reply) []byte {
			return good(a, r, frame(framePriority, 0, a.stream, four(1)))
		}},
		{"HTTP/1.1", func(a *http2Response, r reply) []byte {
			return render("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}", r.body)
		}},
	} {
		faults = append(faults, after(f.name, http2, func(x *exchange, r reply) {
			a := x.out.(*http2Response)
			a.write(f.frames(a, r))
			if x.dice.IntN(4) == 0 {
				time.Sleep(5 * time.Millisecond)
				x.wire.fin()
			}
		}))
	}
	return faults
}

// good is the whole response, after something else.
func good(a *http2Response, r reply, first []byte) []byte {
	return append(append(first, a.head(r)...), a.body(r)...)
}

func times(n int, what []byte) []byte {
	return []byte(strings.Repeat(string(what), n))
}

func lengthened(a *http2Response, r reply, n int) []byte {
	r.header = append(r.header, field{"content-length", fmt.Sprint(n)})
	return good(a, r, nil)
}

func bigHeaders(a *http2Response, r reply) []byte {
	frames := frame(frameHeaders, 0, a.stream, block(r))
	for range 20 {
		frames = append(frames, frame(frameContinuation, 0, a.stream, appendField(nil, "x", strings.Repeat("y", 15000)))...)
	}
	return append(frames, frame(frameContinuation, flagEndHeaders, a.stream, appendField(nil, "x", "y"))...)
}
