"""Dashboards of Comitia as code: one module per dashboard, written as JSON for Grafana."""
