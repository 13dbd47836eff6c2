package closure

import (
	"context"

	"github.com/closurehealth/closure-go/internal/transport"
)

// OwnRequest returns the context for a request that your own [net/http.RoundTripper] makes beside
// the SDK's, to get a token for example. ctx is that of the SDK's request:
//
//	ask, err := http.NewRequestWithContext(closure.OwnRequest(req.Context()), http.MethodGet, tokenURL, nil)
//
// It ends when ctx does, and has its values, but no trace of net/http/httptrace: by that, the SDK
// sees that a transport sends its request a second time, and it would take yours for that.
func OwnRequest(ctx context.Context) context.Context { return transport.WithoutTrace(ctx) }
