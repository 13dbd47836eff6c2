// A program of somebody else's: its path is outside of the SDK's, so that it can
// import nothing internal.
module example.com/consumer

go 1.26.0

require github.com/closurehealth/closure-go v0.1.0

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/closurehealth/closure-go => ../..
