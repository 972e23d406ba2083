// Draws the registrations by hour on the overview page. The page says the same in a table, for those without this script.
"use strict";
{
    const box = document.querySelector(".elevate-chart");
    const data = document.getElementById("elevate-chart-data");
    if (box && data && window.Chart) {
        const {labels, titles, values} = JSON.parse(data.textContent);
        const rtl = getComputedStyle(document.documentElement).direction === "rtl";
        const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        box.hidden = false;
        const chart = new window.Chart(box.querySelector("canvas"), {
            type: "bar",
            data: {labels, datasets: [{data: values, maxBarThickness: 14}]},
            options: {
                animation: false,
                maintainAspectRatio: false,
                locale: document.documentElement.lang || undefined,
                plugins: {
                    legend: {display: false},
                    tooltip: {rtl, displayColors: false, callbacks: {title: (items) => titles[items[0].dataIndex]}},
                },
                scales: {
                    x: {reverse: rtl, grid: {display: false}, ticks: {maxRotation: 0, autoSkipPadding: 16}},
                    y: {position: rtl ? "right" : "left", beginAtZero: true, ticks: {precision: 0, maxTicksLimit: 5}},
                },
            },
        });
        // The colours are those of the admin's theme, which a person can change while the page is open.
        const paint = () => {
            chart.data.datasets[0].backgroundColor = colour("--elevate-busy");
            for (const axis of [chart.options.scales.x, chart.options.scales.y]) {
                axis.ticks.color = colour("--body-fg");
                axis.grid.color = colour("--hairline-color");
            }
            chart.update();
        };
        paint();
        new MutationObserver(paint).observe(document.documentElement, {attributeFilter: ["data-theme"]});
        window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    }
}
