// Package endpoint holds what every call of an OpenAI-compatible endpoint needs:
// where it is, with which key, how often to try again, and what its errors mean.
// It knows no call.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Options are the settings of an endpoint.
type Options struct {
	BaseURL string // up to and with /v1
	Key     string // may be empty for endpoints that want none
	// Organization and Project are the headers of that name; empty for none.
	Organization, Project string

	// Retries is how often a request is made again after a connection that
	// failed or the answers 408, 409, 429 and 5xx; the wait is what the answer
	// asks for or doubles from half a second.
	Retries int
	Timeout time.Duration // of one try; a try that exceeds it is an error at once
}

// Default reads OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_ORG_ID and
// OPENAI_PROJECT_ID and otherwise returns OpenAI's own endpoint, 5 retries and a
// minute for a try.
func Default() Options {
	base := os.Getenv("OPENAI_BASE_URL")
	if base == "" {
		base = "https://api.openai.com/v1"
	}
	return Options{
		BaseURL: base, Key: os.Getenv("OPENAI_API_KEY"),
		Organization: os.Getenv("OPENAI_ORG_ID"), Project: os.Getenv("OPENAI_PROJECT_ID"),
		Retries: 5, Timeout: time.Minute,
	}
}

// Validate reports every setting that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if u, err := url.Parse(o.BaseURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		errs = append(errs, fmt.Errorf("base URL %q; expected http:// or https:// and a host; set OPENAI_BASE_URL", o.BaseURL))
	}
	if o.Retries < 0 {
		errs = append(errs, fmt.Errorf("retries is %d; expected 0 or more", o.Retries))
	}
	if o.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout is %v; expected more than 0", o.Timeout))
	}
	return errors.Join(errs...)
}

// Request is the settings as the client of OpenAI takes them.
func (o Options) Request() []option.RequestOption {
	set := []option.RequestOption{
		option.WithHTTPClient(&http.Client{}), option.WithBaseURL(o.BaseURL), option.WithMaxRetries(o.Retries), option.WithRequestTimeout(o.Timeout),
	}
	if o.Key != "" {
		set = append(set, option.WithAPIKey(o.Key))
	}
	if o.Organization != "" {
		set = append(set, option.WithOrganization(o.Organization))
	}
	if o.Project != "" {
		set = append(set, option.WithProject(o.Project))
	}
	return set
}

// Explain says what an error of the client means for a call of model and what to
// do. Where ctx is done it is that.
func (o Options) Explain(ctx context.Context, model string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	do := "check OPENAI_BASE_URL and the network"
	var answer *openai.Error
	switch {
	case errors.As(err, &answer):
		if answer.Message != "" {
			err = fmt.Errorf("%w: %.300s", err, answer.Message)
		}
		switch {
		case answer.StatusCode == http.StatusTooManyRequests:
			do = "the rate limit or the quota is used up; try again later: what was answered is kept"
		case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
			do = "check OPENAI_API_KEY"
		case answer.StatusCode == http.StatusNotFound:
			do = "check OPENAI_BASE_URL and the model's name"
		case answer.StatusCode < 500:
			do = "check the model and its limits"
		}
	case errors.Is(err, context.DeadlineExceeded):
		do = fmt.Sprintf("it took longer than %v; check that the endpoint is up", o.Timeout)
	}
	return fmt.Errorf("%s, model %s: %w; %s", o.BaseURL, model, err, do)
}
