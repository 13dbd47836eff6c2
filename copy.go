package closure

import "slices"

// These copies share no memory with the original: concurrent callers receive the result
// of one booking, and each may change what it received.

func (b *Booking) deepCopy() *Booking {
	if b == nil {
		return nil
	}
	c := *b
	c.Schedule, c.Patient = b.Schedule.deepCopy(), clone(b.Patient)
	return &c
}

func (s *Schedule) deepCopy() *Schedule {
	if s == nil {
		return nil
	}
	c := *s
	c.Practitioner.Object = s.Practitioner.Object.deepCopy()
	c.Location.Object = clone(s.Location.Object)
	c.AppointmentType.Object = clone(s.AppointmentType.Object)
	c.Insurances = slices.Clone(s.Insurances)
	for i, ref := range s.Insurances {
		c.Insurances[i].Object = clone(ref.Object)
	}
	return &c
}

func (p *Practitioner) deepCopy() *Practitioner {
	if p == nil {
		return nil
	}
	c := *p
	c.Specialties, c.Languages = slices.Clone(p.Specialties), slices.Clone(p.Languages)
	return &c
}

func (e *OutcomeUnknownError) deepCopy() *OutcomeUnknownError {
	if e == nil {
		return nil
	}
	c := *e
	c.SlotOpen, c.Err = clone(e.SlotOpen), copyError(e.Err)
	return &c
}

// copyError copies the errors whose fields a caller can change.
func copyError(err error) error {
	switch e := err.(type) { //nolint:errorlint // each link of the chain is copied by itself
	case *APIError:
		c := *e
		c.Detail = slices.Clone(e.Detail)
		return &c
	case *TransportError:
		c := *e
		c.Err = copyError(e.Err)
		return &c
	case *JournalError:
		c := *e
		return &c
	case *OutcomeUnknownError:
		return e.deepCopy()
	case *joined:
		c := &joined{make([]error, len(e.errs)), e.separator}
		for i, err := range e.errs {
			c.errs[i] = copyError(err)
		}
		return c
	default:
		return err
	}
}
