"""Who else is reached or let in than the person whose account it is: aliases, groups, shares, quotas, tenants."""
