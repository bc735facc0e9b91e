// Package redact takes secrets out of what is shown or written: keys and tokens
// that a server sends back, and what stands before the host of an address. It
// knows no server.
package redact

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Hidden stands in the place of a secret.
const Hidden = "***"

// shortest is the length from which a secret is looked for: a key such as "x",
// for an endpoint that wants any, is part of other words.
const shortest = 4

// userinfo is what an address holds before its host: a name and a password.
var userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"'<>]*@`)

// Text hides the secrets in a text, as they are and as addresses and Basic
// authorisation write them, and the names and passwords of addresses.
func Text(text string, secrets ...string) string {
	var forms []string
	for _, s := range secrets {
		if s = strings.TrimSpace(s); len(s) >= shortest {
			forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s),
				base64.StdEncoding.EncodeToString([]byte(s)), base64.URLEncoding.EncodeToString([]byte(s)))
		}
	}
	// The longest first, so that no rest of one stays.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	for _, f := range forms {
		text = strings.ReplaceAll(text, f, Hidden)
	}
	return userinfo.ReplaceAllString(text, "${1}"+Hidden+"@")
}

// Address is an address as it may be shown: scheme, host and path.
func Address(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return Text(address)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// InAddress are the secrets of an address: its password, name and password as
// Basic authorisation joins them, and the values of its query.
func InAddress(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	var secrets []string
	if u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password, u.User.Username()+":"+password)
	}
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	return secrets
}
