package closuretest

import (
	"time"

	"github.com/closurehealth/closure-go"
)

// The ids of the vendor's booking guide. A server is loaded with these records. The guide
// does not show all of their fields: the others are made up.
const (
	GuidePatientID      closure.PatientID      = "pt_sxKCbaoVdBXHBGWywcBETm"   // Trisha Pandit, born 1994-12-22
	GuidePractitionerID closure.PractitionerID = "prac_j3uc7oA7FYMtXhGZi2rbt9" // Deepika K Sanon, NPI 4321098765
	GuideScheduleID     closure.ScheduleID     = "sch_u5oQnnMdSbyb83xgqgkUgX"  // hers
	GuideInsuranceID    closure.InsuranceID    = "ins_8rdzjCQtD1VLg9aLRwARNF"  // Trisha's, accepted by the schedule
)

// The rest of the guide's ids, and three that it does not show.
const (
	guidePrimarySpecialtyID closure.SpecialtyID       = "sp_c32Biop9tvoo1pR8JUZR55"
	guideOtherSpecialtyID   closure.SpecialtyID       = "sp_9FjLB5Xj497FAbVkazRRFr"
	guideOtherInsuranceID   closure.InsuranceID       = "ins_Qm3vT7xKcR9wLpZ2hNfYbD"  // made up: not accepted
	guideLocationID         closure.LocationID        = "loc_h4WzN8sVbXq2RkTjPmYc6D"  // made up
	guideAppointmentTypeID  closure.AppointmentTypeID = "aptp_k7JdQ3nXwZs5VfBtRcLm9H" // made up
)

// GuideSlot returns the slot that the guide books: 2022-05-20 at 17:00 UTC, 30
// minutes, on [GuideScheduleID]. Two more overlap it, 15 minutes before and
// after.
func GuideSlot() closure.Slot { return guideSlots()[1] }

func guideSlots() []closure.Slot {
	slots := make([]closure.Slot, 0, 3)
	for _, minute := range []int{-15, 0, 15} {
		slots = append(slots, closure.Slot{
			ScheduleID: GuideScheduleID,
			StartAt:    time.Date(2022, time.May, 20, 17, minute, 0, 0, time.UTC),
			Duration:   30,
		})
	}
	return slots
}

// guideTime is when the guide's practitioner was created and updated.
func guideTime() time.Time { return time.Date(2022, time.April, 1, 0, 0, 0, 0, time.UTC) }

func (s *Server) loadGuide() {
	s.AddPatient(guidePatient())
	s.AddPractitioner(guidePractitioner())
	for _, specialty := range guideSpecialties() {
		s.AddSpecialty(specialty)
	}
	s.AddInsurance(closure.Insurance{ID: GuideInsuranceID, DisplayName: "Example Health Choice PPO", CreatedAt: guideTime(), UpdatedAt: guideTime()})
	s.AddInsurance(closure.Insurance{ID: guideOtherInsuranceID, DisplayName: "Sample Mutual HMO", CreatedAt: guideTime(), UpdatedAt: guideTime()})
	s.AddLocation(closure.Location{ID: guideLocationID, Name: "Example Medical Group, Midtown, New York, NY", CreatedAt: guideTime(), UpdatedAt: guideTime()})
	s.AddAppointmentType(closure.AppointmentType{ID: guideAppointmentTypeID, Name: "New patient visit", CreatedAt: guideTime(), UpdatedAt: guideTime()})
	s.AddSchedule(guideSchedule())
	s.AddSlots(GuideScheduleID, guideSlots()...)
}

func guidePatient() closure.Patient {
	return closure.Patient{
		ID:                   GuidePatientID,
		FirstName:            "Trisha",
		LastName:             "Pandit",
		DOB:                  closure.NewDate(1994, time.December, 22),
		GenderIdentity:       closure.GenderFemale,
		AdministrativeGender: closure.AdministrativeFemale,
		Email:                "trisha.pandit@example.com",
		MobilePhoneNumber:    "+12125550142",
		HomePhoneNumber:      "+12125550188",
		Timezone:             "America/New_York",
		Address: closure.Address{
			StreetLine1: "100 Example Street",
			StreetLine2: "Apt 4B",
			City:        "New York",
			State:       "NY",
			PostalCode:  "10001",
		},
		Insurance: closure.PatientInsurance{
			ID:           GuideInsuranceID,
			MemberID:     "EXM000123456",
			SubscriberID: "EXS000123456",
			GroupNumber:  "EXG0042",
		},
		CreatedAt: guideTime(),
		UpdatedAt: guideTime(),
	}
}

func guidePractitioner() closure.Practitioner {
	return closure.Practitioner{
		ID:                   GuidePractitionerID,
		NPI:                  "4321098765",
		FirstName:            "Deepika",
		LastName:             "Sanon",
		MiddleName:           "K",
		PreferredName:        "Deepika",
		AdministrativeGender: closure.AdministrativeFemale,
		Type:                 "Physician",
		Specialties:          []closure.SpecialtyID{guidePrimarySpecialtyID, guideOtherSpecialtyID},
		PrimarySpecialty:     guidePrimarySpecialtyID,
		Languages:            []string{"English", "Hindi", "Telugu"},
		CreatedAt:            guideTime(),
		UpdatedAt:            guideTime(),
	}
}

func guideSpecialties() []closure.Specialty {
	return []closure.Specialty{
		{
			ID:             guidePrimarySpecialtyID,
			TaxonomyCode:   "207R00000X",
			Classification: "Internal Medicine",
			CreatedAt:      guideTime(),
			UpdatedAt:      guideTime(),
		},
		{
			ID:                        guideOtherSpecialtyID,
			TaxonomyCode:              "207RC0000X",
			Classification:            "Internal Medicine",
			Specialization:            "Cardiovascular Disease",
			NonStandardClassification: "Heart",
			NonStandardSpecialization: "Cardiology",
			CreatedAt:                 guideTime(),
			UpdatedAt:                 guideTime(),
		},
	}
}

func guideSchedule() closure.Schedule {
	return closure.Schedule{
		ID:                    GuideScheduleID,
		Practitioner:          closure.PractitionerRef{ID: GuidePractitionerID},
		Location:              closure.LocationRef{ID: guideLocationID},
		AppointmentType:       closure.AppointmentTypeRef{ID: guideAppointmentTypeID},
		Insurances:            []closure.InsuranceRef{{ID: GuideInsuranceID}},
		EstimatedEarliestSlot: closure.NewDate(2022, time.May, 20),
		SchedulingMethod:      closure.SchedulingDirectAPI,
		CreatedAt:             guideTime(),
		UpdatedAt:             guideTime(),
	}
}
