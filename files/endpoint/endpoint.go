// Package endpoint holds what every call of an OpenAI-compatible endpoint needs:
// where it is, with which key, how often to try again, what of a reply is taken,
// and what its errors mean. It knows no call.
package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"gorqa/files/redact"
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

	MaxReplyBytes int64 // of a reply; what is longer is an error
}

// maxRefusalBytes bounds a reply that says why there is none.
const maxRefusalBytes = 1 << 20

// Default reads OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_ORG_ID (or
// OPENAI_ORGANIZATION, as LocalRQA has it) and OPENAI_PROJECT_ID (or
// OPENAI_PROJECT) and otherwise returns OpenAI's own endpoint, 5 retries, a minute
// for a try and 16 MiB for a reply.
func Default() Options {
	env := func(names ...string) string {
		for _, name := range names {
			if v := strings.TrimSpace(os.Getenv(name)); v != "" {
				return v
			}
		}
		return ""
	}
	return Options{
		BaseURL: cmp.Or(env("OPENAI_BASE_URL"), "https://api.openai.com/v1"), Key: env("OPENAI_API_KEY"),
		Organization: env("OPENAI_ORG_ID", "OPENAI_ORGANIZATION"), Project: env("OPENAI_PROJECT_ID", "OPENAI_PROJECT"),
		Retries: 5, Timeout: time.Minute, MaxReplyBytes: 16 << 20,
	}
}

// Validate reports every setting that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if u, err := url.Parse(o.BaseURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		errs = append(errs, fmt.Errorf("base URL %q; expected http:// or https:// and a host; set OPENAI_BASE_URL", o.Address()))
	}
	for _, v := range []struct{ name, value string }{{"OPENAI_API_KEY", o.Key}, {"OPENAI_ORG_ID", o.Organization}, {"OPENAI_PROJECT_ID", o.Project}} {
		if strings.ContainsFunc(v.value, func(r rune) bool { return r < ' ' || r > '~' }) {
			errs = append(errs, fmt.Errorf("%s holds a character that no header may; expected letters, digits and signs of ASCII; set it anew", v.name))
		}
	}
	if o.Retries < 0 {
		errs = append(errs, fmt.Errorf("retries is %d; expected 0 or more", o.Retries))
	}
	if o.MaxReplyBytes < 1 {
		errs = append(errs, fmt.Errorf("a reply may have %d bytes; expected 1 at least", o.MaxReplyBytes))
	}
	if o.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout is %v; expected more than 0", o.Timeout))
	}
	return errors.Join(errs...)
}

// Address is where the endpoint is, without what may be secret in it.
func (o Options) Address() string {
	return strings.TrimSuffix(redact.Address(o.BaseURL), "/")
}

// Hide takes the key and the password out of what the endpoint said.
func (o Options) Hide(text string) string {
	return redact.Text(text, append(redact.InAddress(o.BaseURL), o.Key)...)
}

// Request is the settings as the client of OpenAI takes them.
func (o Options) Request() []option.RequestOption {
	set := []option.RequestOption{
		option.WithHTTPClient(&http.Client{CheckRedirect: o.redirect}), option.WithBaseURL(o.BaseURL), option.WithMaxRetries(o.Retries),
		option.WithRequestTimeout(o.Timeout), option.WithMiddleware(o.take),
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

// redirect refuses to take a request elsewhere: the key is for the host and port
// that were named, and what is sent by another method is no request.
func (o Options) redirect(request *http.Request, via []*http.Request) error {
	first := via[0]
	if request.URL.Scheme != first.URL.Scheme || request.URL.Host != first.URL.Host || request.Method != first.Method || len(via) > 3 {
		return unfit("it sends requests on to %s; expected an answer there; set OPENAI_BASE_URL to that address, if it is right", redact.Address(request.URL.String()))
	}
	return nil
}

// A misfit is a reply that the endpoint was not asked for.
type misfit struct{ text string }

func (m *misfit) Error() string { return m.text }

func unfit(format string, args ...any) error { return &misfit{fmt.Sprintf(format, args...)} }

// take reads a reply within its bounds and looks whether it is a JSON object, as
// those of all calls are.
func (o Options) take(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	reply, err := next(request)
	if err != nil || reply == nil || reply.Body == nil {
		return reply, err
	}
	most, good := o.MaxReplyBytes, reply.StatusCode < 300
	if !good {
		most = maxRefusalBytes
	}
	data, err := io.ReadAll(io.LimitReader(reply.Body, most+1))
	closed := reply.Body.Close()
	if err != nil {
		return nil, err // the connection broke off: worth another try
	}
	reply.Body = io.NopCloser(bytes.NewReader(data))
	if closed != nil {
		return nil, closed
	}
	if int64(len(data)) > most {
		if good {
			return reply, unfit("a reply of more than %d bytes; expected fewer", most)
		}
		data = data[:0]
	}
	data = bytes.TrimSpace(data)
	object := len(data) > 0 && data[0] == '{' && json.Valid(data)
	switch {
	case good && !object:
		return reply, unfit("the reply is %q; expected a JSON object, as OpenAI's endpoint replies", o.begin(data))
	case good && isObject(data, "error"): // with the status of a reply
		return reply, unfit("the reply is %q; expected no error in it", o.begin(data))
	case good:
		reply.Header.Set("Content-Type", "application/json") // which some leave out
	case !object || !isObject(data, "error"):
		// The client looks for {"error": {"message": …}} and finds no reason otherwise.
		var other struct{ Error, Message, Detail string }
		_ = json.Unmarshal(data, &other)
		refusal, err := json.Marshal(map[string]any{"error": map[string]string{"message": cmp.Or(other.Error, other.Message, other.Detail, o.begin(data))}})
		if err != nil {
			return nil, err
		}
		reply.Body = io.NopCloser(bytes.NewReader(refusal))
	}
	return reply, nil
}

// isObject says whether the field of a JSON object is one itself.
func isObject(data []byte, field string) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(data, &fields) == nil && len(fields[field]) > 0 && fields[field][0] == '{'
}

// begin is how a reply begins, for messages.
func (o Options) begin(data []byte) string {
	text := o.Hide(strings.ToValidUTF8(string(data[:min(len(data), 4096)]), "\ufffd"))
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}

// Explain says what an error of the client means for a call of model and what to
// do. Where ctx is done it is that.
func (o Options) Explain(ctx context.Context, model string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	do := "check OPENAI_BASE_URL and the network"
	said := err.Error()
	var answer *openai.Error
	var odd *misfit
	switch {
	case errors.As(err, &odd):
		said, do = odd.Error(), "check OPENAI_BASE_URL, up to and with /v1, and what answers there"
	case errors.As(err, &answer):
		said = fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
		if answer.Message != "" {
			said += fmt.Sprintf(": %.300s", o.Hide(answer.Message))
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
	return fmt.Errorf("%s, model %s: %s; %s", o.Address(), model, o.Hide(said), do)
}
