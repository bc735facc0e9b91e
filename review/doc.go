// Package review shows answers to people on a page, one at a time or two side by side,
// and hands on what they say of them: ratings by scales, a preference, a comment.
//
// It knows HTTP and what an item is; it must not know files, how agreement is reckoned,
// or the settings of a command.
package review
