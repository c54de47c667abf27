/* SPDX-License-Identifier: MIT */
/*
 * Line plots over time as inline SVG. Colours come by class from the page's style
 * sheet (plot, grid, frame, tick, and the caller's own for lines and bands), so
 * a plot follows the page into the dark.
 */
#ifndef DEMO_SVG_H
#define DEMO_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct svg_scale {
	double min, max;	/* of the values; for a log scale more than 0 */
	bool log;
	double from_px, to_px;
};

struct svg_plot {
	FILE *f;
	double width, height;
	struct svg_scale x, y;	/* the caller gives min, max and log */
};

/* Opens the plot and draws nothing yet; @title is for those who can't see it. */
void svg_begin(struct svg_plot *p, const char *title);
void svg_end(struct svg_plot *p);

/* Frame, grid and labels: along x every @xstep, along y, whose scale is logarithmic,
 * every power of ten. */
void svg_axes(struct svg_plot *p, double xstep, const char *xunit,
	      void (*ylabel)(char *to, size_t size, double v));

/* From (x[0], y[0]) on; a NAN in @y breaks the line. */
void svg_line(struct svg_plot *p, const char *class, const double *x, const double *y, size_t n);

/* A stretch of time with a label above or at the top of the plot. */
void svg_band(struct svg_plot *p, const char *class, double from, double to, const char *label,
	      bool above);

/* @s with what HTML would take for its own written otherwise. */
void svg_text(FILE *f, const char *s);

#endif
