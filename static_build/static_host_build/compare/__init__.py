"""What a release changes for visitors, CDNs and pages: `static-host compare`."""
