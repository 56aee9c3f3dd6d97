"""What readers see: the site, the table of the README, docs/limit.md, the exports."""
