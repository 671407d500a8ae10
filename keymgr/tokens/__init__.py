"""What a credential is: pure functions that mint, recognise, digest, wrap and unwrap."""
