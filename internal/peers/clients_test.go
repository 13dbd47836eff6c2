package peers

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amplify"
	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stripe/stripe-go/v85"
)

// The clients, each with its defaults, reading one record.
var clients = []struct {
	name string
	new  func(t *testing.T, w *world) func() error
}{
	{"closure-go", newClosure},
	{"go-retryablehttp", newRetryable},
	{"aws-sdk-go-v2", newAWS},
	{"openai-go", newOpenAI},
	{"stripe-go", newStripe},
}

func newClosure(t *testing.T, w *world) func() error {
	w.answer = closuretest.New(closuretest.KeepRequests(0)).Handler()
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithHTTPClient(&http.Client{Transport: w}))
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		_, err := c.Patients.Get(context.Background(), closuretest.GuidePatientID)
		return err
	}
}

// answers is an API that gives everybody the same.
func answers(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	})
}

func newRetryable(_ *testing.T, w *world) func() error {
	w.answer = answers("{}")
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.HTTPClient.Transport = w
	return func() error {
		resp, err := c.Get("https://api.test/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
}

func newAWS(_ *testing.T, w *world) func() error {
	w.answer = answers(`{"app":{"appId":"d2fbg4a6f3"}}`)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example"}, nil
	})
	c := amplify.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String("https://api.test"),
		Credentials: credentials, HTTPClient: &http.Client{Transport: w},
	})
	return func() error {
		_, err := c.GetApp(context.Background(), &amplify.GetAppInput{AppId: aws.String("d2fbg4a6f3")})
		return err
	}
}

func newOpenAI(_ *testing.T, w *world) func() error {
	w.answer = answers(`{"object":"model","id":"m"}`)
	c := openai.NewClient(option.WithAPIKey("example"), option.WithBaseURL("https://api.test/v1/"),
		option.WithHTTPClient(&http.Client{Transport: w}))
	return func() error {
		_, err := c.Models.Get(context.Background(), "m")
		return err
	}
}

func newStripe(_ *testing.T, w *world) func() error {
	w.answer = answers(`{"id":"cus_1","object":"customer"}`)
	c := stripe.NewClient("example", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String("https://api.test"), HTTPClient: &http.Client{Transport: w},
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})))
	return func() error {
		_, err := c.V1Customers.Retrieve(context.Background(), "cus_1", nil)
		return err
	}
}
