package catalog

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pxecast/pxecast/internal/trust"
)

// context of an offer's signature.
const context trust.Context = "pxecast offer v1"

// Nonce is drawn by the machine for each question and is in the signature of the
// answer, so that an old offer, with an old script, is worth nothing.
type Nonce [16]byte

// ErrUntrusted: the offer is not signed, or not by a key that is accepted here.
var ErrUntrusted = errors.New("the server's offer is not signed by a key that this machine trusts")

// signed is the form on the wire.
type signed struct {
	Offer     []byte `json:"offer"` // JSON of an Offer
	Key       string `json:"key"`
	Signature []byte `json:"signature"` // over nonce and Offer
}

// Sign returns the signed form of an offer, in answer to a nonce.
func Sign(o *Offer, n Nonce, key *trust.Key) ([]byte, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	sig, err := key.Sign(context, append(n[:], body...))
	if err != nil {
		return nil, err
	}
	return json.Marshal(signed{body, key.Public().String(), sig[:]})
}

// Open returns the offer in b, which Sign made for the same nonce with a key that
// the ring accepts, and that key. Errors: ErrUntrusted, and one for what is no
// offer.
func Open(b []byte, n Nonce, ring *trust.Keyring) (*Offer, trust.PublicKey, error) {
	var none trust.PublicKey
	if len(b) > MaxOffer {
		return nil, none, fmt.Errorf("the server's offer is longer than %d bytes", MaxOffer)
	}
	var s signed
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, none, fmt.Errorf("what the server answers is no offer: %w", err)
	}
	key, err := trust.ParsePublicKey(s.Key)
	var sig trust.Signature
	if err != nil || len(s.Signature) != len(sig) {
		return nil, none, ErrUntrusted
	}
	copy(sig[:], s.Signature)
	if !ring.Accepts(key) || !key.Verify(context, append(n[:], s.Offer...), sig) {
		return nil, none, ErrUntrusted
	}
	o := new(Offer)
	if err := json.Unmarshal(s.Offer, o); err != nil {
		return nil, none, fmt.Errorf("the server's offer can't be read: %w", err)
	}
	if len(o.Images) > MaxImages {
		return nil, none, fmt.Errorf("the server offers %d images, more than the %d that there may be", len(o.Images), MaxImages)
	}
	return o, key, nil
}
