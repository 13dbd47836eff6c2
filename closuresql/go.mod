module github.com/closurehealth/closure-go/closuresql

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

// For the checkout. Programs that require this module don't see it: they get the
// release above, which is tagged before closuresql/v0.1.0 is.
replace github.com/closurehealth/closure-go => ../
