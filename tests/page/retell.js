/** Changes what the API says of orders on its way to the page: for what an order cannot be brought to here. */
export const retell = (page, change) =>
  page.route('**/api/orders/*', async (route) => {
    const response = await route.fetch();
    // 304: the page knows it already.
    if (response.status() !== 200) return route.fulfill({ response });
    return route.fulfill({ response, json: { ...(await response.json()), ...change } });
  });
