/* SPDX-License-Identifier: MIT */
/* Line plots as inline SVG; see svg.h. */
#include <assert.h>
#include <math.h>

#include "svg.h"

#define SVG_LEFT	64	/* px for the labels of y */
#define SVG_RIGHT	12
#define SVG_TOP		22	/* px for the labels of bands */
#define SVG_BOTTOM	24
#define SVG_DOT_PX	1.6

static double place(const struct svg_scale *s, double v)
{
	double share;

	if (v < s->min)
		v = s->min;
	if (v > s->max)
		v = s->max;
	share = s->log ? log(v / s->min) / log(s->max / s->min)
		       : (v - s->min) / (s->max - s->min);
	return s->from_px + share * (s->to_px - s->from_px);
}

void svg_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc((unsigned char)*s < ' ' ? ' ' : *s, f);
		}
	}
}

void svg_begin(struct svg_plot *p, const char *title)
{
	assert(p->x.max > p->x.min && p->y.max > p->y.min);
	assert(!p->y.log || p->y.min > 0);
	p->x.from_px = SVG_LEFT;
	p->x.to_px = p->width - SVG_RIGHT;
	p->y.from_px = p->height - SVG_BOTTOM;
	p->y.to_px = SVG_TOP;
	fprintf(p->f, "<svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\"><title>", p->width,
		p->height);
	svg_text(p->f, title);
	fputs("</title>\n", p->f);
}

void svg_end(struct svg_plot *p)
{
	fputs("</svg>\n", p->f);
}

static void label(struct svg_plot *p, double x, double y, const char *anchor, const char *text)
{
	fprintf(p->f, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y,
		anchor);
	svg_text(p->f, text);
	fputs("</text>\n", p->f);
}

static void segment(struct svg_plot *p, const char *class, double x1, double y1, double x2,
		    double y2)
{
	fprintf(p->f, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", class, x1, y1, x2, y2);
}

void svg_axes(struct svg_plot *p, double xstep, const char *xunit,
	      void (*ylabel)(char *to, size_t size, double v))
{
	double floor_px = p->y.from_px, x, y;
	char text[32];

	for (double v = p->y.min; v <= p->y.max * 1.001; v *= 10) {
		y = place(&p->y, v);
		segment(p, "grid", p->x.from_px, y, p->x.to_px, y);
		ylabel(text, sizeof(text), v);
		label(p, p->x.from_px - 8, y + 4, "end", text);
	}
	for (double v = p->x.min; v <= p->x.max; v += xstep) {
		x = place(&p->x, v);
		segment(p, "grid", x, floor_px, x, p->y.to_px);
		snprintf(text, sizeof(text), "%g%s", v, xunit);
		label(p, x, floor_px + 16, "middle", text);
	}
	segment(p, "frame", p->x.from_px, floor_px, p->x.to_px, floor_px);
}

void svg_line(struct svg_plot *p, const char *class, const double *x, const double *y, size_t n)
{
	fprintf(p->f, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < n; i++) {
		bool begins = !i || isnan(y[i - 1]), ends = i + 1 == n || isnan(y[i + 1]);

		if (isnan(y[i]))
			continue;
		fprintf(p->f, "%c%.1f %.1f", begins ? 'M' : 'L', place(&p->x, x[i]),
			place(&p->y, y[i]));
		if (begins && ends)	/* alone: a line of no length shows as a dot */
			fprintf(p->f, "h%.1f", SVG_DOT_PX);
	}
	fputs("\"/>\n", p->f);
}

void svg_band(struct svg_plot *p, const char *class, double from, double to, const char *text,
	      bool above)
{
	double x = place(&p->x, from), width = place(&p->x, to) - x, top = p->y.to_px;

	fprintf(p->f, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
		class, x, top, width > 1 ? width : 1, p->y.from_px - top);
	label(p, x + width / 2, above ? top - 8 : top + 13, "middle", text);
}
