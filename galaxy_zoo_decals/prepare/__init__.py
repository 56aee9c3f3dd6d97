"""What makes an edition of a source: cleaned, split, converted, described, looked over and published."""
