package dataset

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gorqa/files/pickle"
)

func timeMaker(c pickle.Class) maker {
	switch {
	case c.Module == "datetime":
		switch c.Name {
		case "datetime", "date", "time", "timedelta", "timezone":
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return moment(o) }
		}
	case c.Module == "pandas._libs.tslibs.timestamps":
		if c.Name == "_unpickle_timestamp" || c.Name == "Timestamp" {
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return timestamp(o) }
		}
	case c.Module == "pytz" && (c.Name == "_UTC" || c.Name == "_p" || c.Name == "utc"),
		c.Module == "zoneinfo" && (c.Name == "ZoneInfo._unpickle" || c.Name == "ZoneInfo"),
		strings.HasPrefix(c.Module, "dateutil.") && c.Name == "tzutc":
		return unnamed
	}
	return nil
}

// moment writes date and time as their isoformat does, and a time span in
// seconds.
func moment(o *pickle.Object) (any, error) {
	wrong := errors.New(pickleKind(o))
	if o.Class.Name == "timedelta" {
		d, ok := duration(o)
		if !ok {
			return nil, wrong
		}
		return floatNumber(d.Seconds())
	}
	if o.Class.Name == "timezone" || len(o.Args) == 0 {
		return nil, wrong
	}
	b, ok := rawBytes(o.Args[0])
	if !ok {
		return nil, wrong
	}
	clock := func(b []byte) string {
		s := fmt.Sprintf("%02d:%02d:%02d", b[0]&0x7f, b[1], b[2])
		if micro := int(b[3])<<16 | int(b[4])<<8 | int(b[5]); micro > 0 {
			s += fmt.Sprintf(".%06d", micro)
		}
		return s
	}
	date := func(b []byte) (string, bool) {
		year, month, day := int(b[0])<<8|int(b[1]), int(b[2]&0x7f), int(b[3])
		t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		return fmt.Sprintf("%04d-%02d-%02d", year, month, day), t.Year() == year && int(t.Month()) == month && t.Day() == day
	}
	var text string
	switch {
	case o.Class.Name == "date" && len(b) == 4:
		if text, ok = date(b); !ok {
			return nil, wrong
		}
		return text, nil
	case o.Class.Name == "time" && len(b) == 6:
		text = clock(b)
	case o.Class.Name == "datetime" && len(b) == 10:
		if text, ok = date(b); !ok || b[4] > 23 || b[5] > 59 || b[6] > 59 {
			return nil, wrong
		}
		text += "T" + clock(b[4:])
	default:
		return nil, wrong
	}
	if len(o.Args) > 1 && o.Args[1] != nil {
		offset, err := zone(o.Args[1], b)
		if err != nil {
			return nil, err
		}
		text += offset
	}
	return text, nil
}

// duration is a timedelta: days, seconds, microseconds.
func duration(v any) (time.Duration, bool) {
	o, ok := v.(*pickle.Object)
	if !ok || o.Class.Name != "timedelta" || len(o.Args) > 3 {
		return 0, false
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Second, time.Microsecond} {
		if i < len(o.Args) {
			n, ok := o.Args[i].(int64)
			if !ok || n > 100_000 && i == 0 || n < -100_000 || n > 1_000_000 {
				return 0, false
			}
			total += time.Duration(n) * unit
		}
	}
	return total, true
}

// zone is the end of a time's isoformat: its distance from UTC, at the date and
// time b for zones that have a summer.
func zone(v any, b []byte) (string, error) {
	o, ok := v.(*pickle.Object)
	if !ok {
		return "", errors.New("a time zone that is " + pickleKind(v))
	}
	var offset time.Duration
	switch {
	case o.Class.Module == "datetime" && o.Class.Name == "timezone" && len(o.Args) > 0:
		if offset, ok = duration(o.Args[0]); !ok {
			return "", errors.New("a damaged time zone")
		}
	case o.Class.Name == "_UTC", o.Class.Name == "utc", o.Class.Name == "tzutc":
	case o.Class.Module == "zoneinfo" && len(o.Args) > 0 && len(b) == 10:
		name, _ := o.Args[0].(string)
		place, err := time.LoadLocation(name)
		if err != nil || name == "" {
			return "", fmt.Errorf("the time zone %.40q, which this machine does not know", name)
		}
		year, month, day := int(b[0])<<8|int(b[1]), time.Month(b[2]&0x7f), int(b[3])
		_, seconds := time.Date(year, month, day, int(b[4]), int(b[5]), int(b[6]), 0, place).Zone()
		offset = time.Duration(seconds) * time.Second
	default:
		return "", fmt.Errorf("the time zone %s", o.Class)
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	text := fmt.Sprintf("%s%02d:%02d", sign, int(offset.Hours()), int(offset.Minutes())%60)
	if s := int(offset.Seconds()) % 60; s > 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text, nil
}

// timestamp is pandas' Timestamp without a zone, as its isoformat.
func timestamp(o *pickle.Object) (any, error) {
	n, ok := first(o.Args).(int64)
	if !ok || len(o.Args) > 2 && o.Args[2] != nil {
		return nil, errors.New(pickleKind(o))
	}
	unit := time.Nanosecond // of resolution 10
	if len(o.Args) > 3 {
		u, known := map[any]time.Duration{int64(7): time.Second, int64(8): time.Millisecond, int64(9): time.Microsecond, int64(10): time.Nanosecond}[o.Args[3]]
		if !known {
			return nil, errors.New(pickleKind(o))
		}
		unit = u
	}
	per := int64(time.Second / unit)
	t := time.Unix(n/per, n%per*int64(unit)).UTC()
	text := t.Format("2006-01-02T15:04:05")
	switch ns := t.Nanosecond(); {
	case ns%1000 > 0:
		text += fmt.Sprintf(".%09d", ns)
	case ns > 0:
		text += fmt.Sprintf(".%06d", ns/1000)
	}
	return text, nil
}
