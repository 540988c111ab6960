"""What finds private things in one text: normalisation, rules, names, and a trained classifier."""
