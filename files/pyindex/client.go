package pyindex

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"gorqa/files/modelfile"
	"gorqa/files/redact"
	"gorqa/files/resume"
)

// client sends requests as pip is configured to.
type client struct {
	settings Settings
	http     *http.Client
	logins   map[string]login // of the addresses that are configured, by scheme and host
	netrc    map[string]login // by host
	secrets  []string
}

func newClient(s Settings) (*client, error) {
	c := &client{settings: s, logins: map[string]login{}, netrc: readNetrc()}
	for _, address := range slices.Concat([]string{s.Index, s.Proxy}, s.Extra, s.FindLinks) {
		c.secrets = append(c.secrets, redact.InAddress(address)...)
		if u, err := url.Parse(address); err == nil && u.User != nil && address != s.Proxy {
			password, _ := u.User.Password()
			c.logins[u.Scheme+"://"+u.Host] = login{u.User.Username(), password}
		}
	}
	for _, l := range c.netrc {
		c.secrets = append(c.secrets, l.password)
	}
	checked, err := transport(s)
	if err != nil {
		return nil, err
	}
	trusting := checked.Clone()
	trusting.TLSClientConfig.InsecureSkipVerify = true
	c.http = &http.Client{Transport: &sender{client: c, checked: checked, trusting: trusting}}
	return c, nil
}

// transport reaches hosts by the proxy and trusts the certificates of the settings.
func transport(s Settings) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: s.Timeout, KeepAlive: 30 * time.Second}).DialContext
	t.ResponseHeaderTimeout, t.TLSHandshakeTimeout = s.Timeout, s.Timeout
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.Proxy != "" {
		address := s.Proxy
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		proxy, err := url.Parse(address)
		if err != nil || proxy.Host == "" {
			return nil, fmt.Errorf("pip's settings: proxy: %q found; an address such as http://host:3128 expected", redact.Address(s.Proxy))
		}
		t.Proxy = http.ProxyURL(proxy)
	} else {
		named := httpproxy.FromEnvironment()
		all := first(os.Getenv("ALL_PROXY"), os.Getenv("all_proxy")) // which Go does not look at
		named.HTTPProxy, named.HTTPSProxy = first(named.HTTPProxy, all), first(named.HTTPSProxy, all)
		choose := named.ProxyFunc()
		t.Proxy = func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
	}
	if s.Cert != "" {
		roots, err := certificates(s.Cert)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = roots
	}
	if s.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(s.ClientCert, s.ClientCert)
		if err != nil {
			return nil, fmt.Errorf("pip's settings: client-cert: %s: %w; a file with a certificate and its key, as PEM, expected", s.ClientCert, err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// certificates reads a file of certificates, or a folder of such files.
func certificates(path string) (*x509.CertPool, error) {
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*")); err != nil {
			return nil, err
		}
	}
	roots, found := x509.NewCertPool(), false
	for _, f := range files {
		data, err := modelfile.Read(f, maxPage)
		if err != nil && f == path {
			return nil, fmt.Errorf("pip's settings: cert: %w", err)
		}
		found = roots.AppendCertsFromPEM(data) || found
	}
	if !found {
		return nil, fmt.Errorf("pip's settings: cert: %s holds no certificate; a bundle of certificates as PEM expected", path)
	}
	return roots, nil
}

// sender gives each host, that of a redirection too, its own credentials and no other's.
type sender struct {
	client            *client
	checked, trusting *http.Transport
}

func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !s.client.trusts(r.URL) && !local(r.URL.Hostname()) {
		return nil, fmt.Errorf("%s is not encrypted; an https address expected, or the host in pip's trusted-host", r.URL.Host)
	}
	r = r.Clone(r.Context())
	if l, ok := s.client.login(r.URL); ok {
		r.SetBasicAuth(l.name, l.password)
	}
	if s.client.trusts(r.URL) {
		return s.trusting.RoundTrip(r)
	}
	return s.checked.RoundTrip(r)
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *client) trusts(u *url.URL) bool {
	return slices.Contains(c.settings.Trusted, u.Hostname()) || slices.Contains(c.settings.Trusted, u.Host)
}

func (c *client) login(u *url.URL) (login, bool) {
	if l, ok := c.logins[u.Scheme+"://"+u.Host]; ok {
		return l, true
	}
	if l, ok := c.netrc[u.Hostname()]; ok {
		return l, true
	}
	l, ok := c.netrc[""]
	return l, ok
}

// configured says whether a host stands in the settings, and so may stand in messages.
func (c *client) configured(host string) bool {
	for _, address := range slices.Concat([]string{c.settings.Index, c.settings.Proxy}, c.settings.Extra, c.settings.FindLinks) {
		if u, err := url.Parse(address); err == nil && u.Host == host {
			return true
		}
	}
	return false
}

// anything accepts a file of any type.
const anything = "*/*"

// get asks for an address from a byte on.
func (c *client) get(ctx context.Context, u *url.URL, accept string, from int64) (*http.Response, error) {
	bare := *u
	bare.User = nil
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, bare.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "gorqa")
	r.Header.Set("Accept", accept)
	if from > 0 {
		r.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	if accept == anything { // as it is, byte for byte
		r.Header.Set("Accept-Encoding", "identity")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, &resume.Unreachable{Err: c.plain(u, err)}
	}
	return response, nil
}

// plain is an error of the network without secrets, and without hosts that nobody
// configured.
func (c *client) plain(u *url.URL, err error) error {
	host := u.Host
	if at := new(url.Error); errors.As(err, &at) { // which names the whole address
		err = at.Err
		if last, e := url.Parse(at.URL); e == nil && last.Host != "" {
			host = last.Host
		}
	}
	text := redact.Text(err.Error(), c.secrets...)
	if !c.configured(host) {
		name, _, _ := strings.Cut(host, ":")
		text = strings.ReplaceAll(text, name, "the host of the file")
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		text += " (pip's cert, or SSL_CERT_FILE, names a file of certificates)"
	}
	return errors.New(text)
}

// page reads the links of a page; there is none where the index does not know the
// package.
func (c *client) page(ctx context.Context, u *url.URL) (links []link, err error) {
	for tries := 1; ; tries++ {
		links, err = c.tryPage(ctx, u)
		if away := new(resume.Unreachable); !errors.As(err, &away) || tries == 3 || ctx.Err() != nil {
			return links, err
		}
		select {
		case <-time.After(time.Duration(tries) * 200 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *client) tryPage(ctx context.Context, u *url.URL) (links []link, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*c.settings.Timeout)
	defer cancel()
	response, err := c.get(ctx, u, accepted, 0)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, nil
	default:
		return nil, c.refused(response)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	if err != nil {
		return nil, &resume.Unreachable{Err: c.plain(u, err)}
	}
	if len(data) > maxPage {
		return nil, fmt.Errorf("a page of more than %d MiB; a list of one package's files expected", maxPage>>20)
	}
	return readPage(data, response.Header.Get("Content-Type"), response.Request.URL)
}

// refused says what a status other than success means.
func (c *client) refused(response *http.Response) error {
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusProxyAuthRequired:
		return &NeedsPip{fmt.Sprintf("the index answers %s: a name and a password expected, in its address, in the proxy's or in .netrc", response.Status)}
	case code == http.StatusTooManyRequests || code >= 500:
		return &resume.Unreachable{Err: fmt.Errorf("the server cannot answer now (%s)", response.Status)}
	}
	return fmt.Errorf("the server answers %s; 200 expected", response.Status)
}
