package databases

import (
	"strconv"
	"testing"
)

func sqlNumber(n int64) string { return strconv.FormatInt(n, 10) }

// wantWhole demands that the tables agree with each other: no key and no
// appointment of an entry that is gone, and one booked entry for each appointment.
func wantWhole(t testing.TB, d database) {
	t.Helper()
	db := d.connect(t)
	for name, from := range map[string]string{
		"keys of no entry": d.table + "_keys WHERE entry NOT IN (SELECT id FROM " + d.table + ")",
		"appointments of no entry": d.table + "_appointments WHERE entry IS NOT NULL" +
			" AND entry NOT IN (SELECT id FROM " + d.table + " WHERE state = 1)",
		"appointments that nothing is known of": d.table + "_appointments WHERE entry IS NULL AND released IS NULL",
		"booked entries of no appointment": d.table + " WHERE state = 1" +
			" AND id NOT IN (SELECT entry FROM " + d.table + "_appointments WHERE entry IS NOT NULL)",
		"pending entries with an appointment": d.table + " WHERE state = 0 AND appointment IS NOT NULL",
	} {
		if n := count(t, db, from); n > 0 {
			t.Errorf("%d %s", n, name)
		}
	}
}
