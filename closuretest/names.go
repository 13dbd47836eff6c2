package closuretest

import "github.com/closurehealth/closure-go"

// The names of which generated clinics are made. All people, practices and insurances are
// made up. The phone numbers are of the range reserved for fiction, and the NPIs start
// with a digit that no real NPI starts with.

// A city is the place of a location.
type city struct {
	name, state, zone, areaCode, postalCode string
}

// cities are in seven time zones, two of which have no summer time.
func cities() []city {
	return []city{
		{"New York", "NY", "America/New_York", "212", "10001"},
		{"Chicago", "IL", "America/Chicago", "312", "60601"},
		{"Denver", "CO", "America/Denver", "303", "80202"},
		{"Phoenix", "AZ", "America/Phoenix", "602", "85004"},
		{"Los Angeles", "CA", "America/Los_Angeles", "213", "90012"},
		{"Anchorage", "AK", "America/Anchorage", "907", "99501"},
		{"Honolulu", "HI", "Pacific/Honolulu", "808", "96813"},
		{"Boston", "MA", "America/New_York", "617", "02108"},
		{"Atlanta", "GA", "America/New_York", "404", "30303"},
		{"Houston", "TX", "America/Chicago", "713", "77002"},
		{"Minneapolis", "MN", "America/Chicago", "612", "55401"},
		{"Salt Lake City", "UT", "America/Denver", "801", "84101"},
		{"Seattle", "WA", "America/Los_Angeles", "206", "98101"},
		{"San Francisco", "CA", "America/Los_Angeles", "415", "94102"},
	}
}

func streets() []string {
	return []string{"Maple", "Juniper", "Harbor", "Orchard", "Lakeview", "Cedar", "Willow", "Mission", "Prospect", "Garden", "Summit", "Riverside"}
}

func practices() []string {
	return []string{"Family Health", "Medical Group", "Clinic", "Health Center", "Specialty Care", "Medical Associates"}
}

// A profession is a specialty of practitioners.
type profession struct {
	specialty closure.Specialty // without id
	title     string
}

func professions() []profession {
	const physician, nurse, therapist = "Physician", "Nurse Practitioner", "Physical Therapist"
	return []profession{
		{closure.Specialty{TaxonomyCode: "207Q00000X", Classification: "Family Medicine", NonStandardClassification: "Primary Care"}, physician},
		{closure.Specialty{TaxonomyCode: "208000000X", Classification: "Pediatrics"}, physician},
		{closure.Specialty{TaxonomyCode: "207RE0101X", Classification: "Internal Medicine", Specialization: "Endocrinology, Diabetes & Metabolism", NonStandardSpecialization: "Diabetes"}, physician},
		{closure.Specialty{TaxonomyCode: "207N00000X", Classification: "Dermatology", NonStandardClassification: "Skin"}, physician},
		{closure.Specialty{TaxonomyCode: "207V00000X", Classification: "Obstetrics & Gynecology"}, physician},
		{closure.Specialty{TaxonomyCode: "207X00000X", Classification: "Orthopaedic Surgery", NonStandardClassification: "Bones and Joints"}, physician},
		{closure.Specialty{TaxonomyCode: "2084N0400X", Classification: "Psychiatry & Neurology", Specialization: "Neurology"}, physician},
		{closure.Specialty{TaxonomyCode: "2084P0800X", Classification: "Psychiatry & Neurology", Specialization: "Psychiatry"}, physician},
		{closure.Specialty{TaxonomyCode: "207W00000X", Classification: "Ophthalmology", NonStandardClassification: "Eyes"}, physician},
		{closure.Specialty{TaxonomyCode: "363LF0000X", Classification: "Nurse Practitioner", Specialization: "Family"}, nurse},
		{closure.Specialty{TaxonomyCode: "225100000X", Classification: "Physical Therapist"}, therapist},
	}
}

func insuranceNames() []string {
	return []string{
		"Harborview PPO", "Harborview HMO", "Blue Heron Select", "Cascadia Health Gold", "Cascadia Health Silver", "Prairie Mutual PPO",
		"Lakeshore Medicare Advantage", "Northwind Medicaid Managed Care", "Summit Employers EPO", "Old Mill Community Plan", "Golden Gate HMO",
	}
}

func visitNames() []string {
	return []string{"New patient visit", "Follow-up visit", "Annual physical", "Video visit", "Urgent care visit"}
}

func languageNames() []string {
	return []string{"Spanish", "Mandarin", "Vietnamese", "Hindi", "Arabic", "French", "Tagalog", "Korean", "Russian", "Portuguese", "American Sign Language"}
}

func femaleNames() []string {
	return []string{"Amara", "Beatriz", "Chloe", "Divya", "Elena", "Fatima", "Grace", "Hana", "Ingrid", "Jasmine", "Keiko", "Lucia", "Mei", "Naomi", "Olivia", "Priya", "Rosa", "Sofia", "Talia", "Yasmin"}
}

func maleNames() []string {
	return []string{"Andre", "Bruno", "Carlos", "Dmitri", "Elias", "Felix", "Gabriel", "Hiro", "Isaac", "Javier", "Kofi", "Liam", "Mateo", "Nikhil", "Omar", "Pavel", "Rashid", "Samuel", "Tomas", "Wei"}
}

func lastNames() []string {
	return []string{
		"Abara", "Bennett", "Castillo", "Delgado", "Eriksen", "Fontaine", "Garcia", "Haddad", "Ivanova", "Jensen", "Kapoor", "Lindqvist", "Mbeki", "Nakamura", "O'Brien",
		"Petrov", "Quintero", "Reyes", "Sandoval", "Tanaka", "Underhill", "Varga", "Whitfield", "Xu", "Yamada", "Zielinski", "Núñez", "Okafor", "Park", "Silva",
	}
}
